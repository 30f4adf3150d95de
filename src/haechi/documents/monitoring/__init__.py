"""What a monitoring system is given beside the figures: alert rules for Prometheus, a dashboard for Grafana."""

from __future__ import annotations

from importlib.resources import files


def rules() -> str:
    """In Prometheus' YAML."""
    return _read("rules.yml")


def dashboard() -> str:
    """In Grafana's JSON, to be imported as it is; it asks for the Prometheus to read from."""
    return _read("dashboard.json")


def _read(name: str) -> str:
    return files(__name__).joinpath(name).read_text("utf-8")
