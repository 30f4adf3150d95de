"""What the kind `etcd` is made of."""
