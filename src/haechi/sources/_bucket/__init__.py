"""How buckets are listed, read, kept and brought back."""
