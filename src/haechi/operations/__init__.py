"""What Haechi does, one verb a file. Handed typed values; reports, never prints."""
