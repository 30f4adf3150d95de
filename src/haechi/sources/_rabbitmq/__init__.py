"""What the kind `rabbitmq` is made of."""
