"""`haechi init`'s brain: looks at what is there and writes a first plan for it."""
