"""What the kind `redis` is made of."""
