"""What the kind `mongodb` is made of."""
