"""What is wrong by itself or by its silence, found from outside."""
