"""The main job for real, on a server of its own: filled, backed up, wrecked, restored and compared."""
