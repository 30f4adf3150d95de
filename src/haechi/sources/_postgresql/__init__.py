"""What the PostgreSQL source is made of."""
