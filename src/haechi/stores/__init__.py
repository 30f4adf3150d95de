"""Bytes at keys: the ground under vaults and archives. One module a kind, chosen by the address's scheme."""
