"""What the kind `sqlite` is made of."""
