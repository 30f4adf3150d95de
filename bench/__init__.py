"""Side by side with the peers: each area is a module with `comparisons(quick, work)`; see `_base.py`."""
