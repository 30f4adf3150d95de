"""The kinds of services: how each is captured, restored and compared. One module a kind."""
