"""What the kind `mariadb` is made of."""
