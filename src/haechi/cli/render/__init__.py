"""How things look: progress, tables, sizes and times; on a terminal, in plain lines and as JSON."""
