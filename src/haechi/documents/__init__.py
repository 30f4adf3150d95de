"""Pages that people read away from the terminal."""
