"""Telling people: one file a way."""
