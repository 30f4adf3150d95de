"""What the kind `gitlab` is made of."""
