"""The grounds of the kinds of services: one module a kind, with `ground(tmp_path)` and, where it wants a real server,
`SERVER = True`."""
