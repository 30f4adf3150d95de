"""The command line: parses, calls, renders. No decision lives here."""
