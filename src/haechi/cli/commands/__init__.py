"""One verb, one file. How to write one is said at the top of `haechi/cli/main.py`."""
