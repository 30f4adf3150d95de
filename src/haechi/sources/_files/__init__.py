"""What the kind `files` is made of."""
