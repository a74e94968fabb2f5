"""From YAML and `key=value` to one checked configuration: sections, rules, composing. Floor 3."""

from calm_pl.config.callbacks import JobCallback

__all__ = ["JobCallback"]
