"""What a proof is worth, and what it says: measured, timed, signed."""
