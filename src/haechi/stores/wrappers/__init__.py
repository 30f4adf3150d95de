"""The same interface round another store: patience, politeness, refusal. One virtue each."""
