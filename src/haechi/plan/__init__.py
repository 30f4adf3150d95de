"""haechi.toml: what is protected, how often, how long it is kept, where copies lie, who is told."""
