"""What the kind `volume` is made of."""
