"""Compose and check configurations from YAML and `key=value`: sections, rules, composition. Floor 3."""

from calm_pl.config.callbacks import JobCallback

__all__ = ["JobCallback"]
