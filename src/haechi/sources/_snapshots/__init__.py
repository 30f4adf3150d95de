"""Snapshots of file systems around a source: taken before it is read, removed after, or kept for a while."""
