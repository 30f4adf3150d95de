"""Where copies go, and what they cost: one stream to several vaults, archives and mirrors."""
