"""Haechi: disaster recovery as code. One plan file says what is promised; Haechi keeps it and proves it."""

__version__ = "0.1.0"
