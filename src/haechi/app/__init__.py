"""The composition root: the one room in which real parts are built from the plan."""

from haechi.app.home import Home, open_home

__all__ = ["Home", "open_home"]
