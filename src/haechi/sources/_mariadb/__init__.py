"""The rooms of the kind “mariadb”."""
