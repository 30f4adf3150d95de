"""The deduplicating, encrypted repository: restic's open format, version 2."""
