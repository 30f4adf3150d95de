"""What the kind `milvus` is made of."""
