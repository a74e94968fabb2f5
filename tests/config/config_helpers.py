"""What tests of configurations share."""

import dataclasses
import typing

import pytest

from calm_pl.config.compose import load_config
from calm_pl.config.schema import Config
from calm_pl.errors import ConfigError

DEMO = "demo.yaml"


def demo(*overrides: str) -> Config:
    return load_config([DEMO], overrides)


def faults(files, overrides=()) -> list[str]:
    """Faults of a configuration that must be refused, the message checked to hold each."""
    with pytest.raises(ConfigError) as caught:
        load_config(files, overrides)
    message = str(caught.value)
    assert all(fault in message for fault in caught.value.faults)
    return caught.value.faults


def leaves(schema: type = Config, path: str = "") -> list[tuple[str, typing.Any]]:
    """Path and type of every setting."""
    types = typing.get_type_hints(schema)
    found = []
    for spec in dataclasses.fields(schema):
        kind = types[spec.name]
        here = f"{path}{spec.name}"
        found += leaves(kind, f"{here}.") if dataclasses.is_dataclass(kind) else [(here, kind)]
    return found
