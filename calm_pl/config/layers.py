"""Layers of a configuration: files and `key=value`, with strings as they were written."""

from __future__ import annotations

import dataclasses
import difflib
import re
import typing
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

from calm_pl.errors import ConfigError


def config_dir() -> Path:
    """Return the folder of the shipped configurations: in the installed package, or next to it."""
    installed = Path(__file__).parents[1] / "configs"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "configs"


def shipped_configs() -> list[str]:
    """Return the names of the shipped configurations."""
    return sorted(path.name for path in config_dir().glob("*.yaml"))


def shipped_sweeps() -> list[str]:
    """Return the names of the shipped sweeps, as `--config` takes them."""
    return sorted(f"sweeps/{path.name}" for path in config_dir().glob("sweeps/*.yaml"))


def shipped_suites() -> list[str]:
    """Return the names of the shipped suites, as `--config` takes them."""
    return sorted(f"suites/{path.name}" for path in config_dir().glob("suites/*.yaml"))


def find_file(name: str) -> Path | None:
    """Return the file that a path or the name of a shipped configuration means; None if there is none."""
    path = Path(name)
    return path if path.is_file() else _shipped(name)


def find_shipped(name: str) -> Path:
    """Return the file of a shipped configuration.

    Raises:
        ConfigError: there is none of that name.
    """
    found = _shipped(name)
    if found is None:
        known = _all_shipped()
        near = difflib.get_close_matches(_named(name), known, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ConfigError([f"{name}: is not among the shipped {', '.join(known)}{hint}"])
    return found


def _shipped(name: str) -> Path | None:
    named = _named(name)
    return config_dir() / named if named in _all_shipped() else None


def _named(name: str) -> str:
    return name if name.endswith((".yaml", ".yml")) else f"{name}.yaml"


def _all_shipped() -> list[str]:
    return [*shipped_configs(), *shipped_sweeps(), *shipped_suites()]


def read_file(name: str, schema: type, faults: list[str]) -> DictConfig | None:
    """Read a file by path, or by the name of a shipped configuration."""
    path = find_file(name)
    if path is None:
        near = difflib.get_close_matches(_named(name), _all_shipped(), 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        faults.append(
            f"--config {name}: no such file, and not among the shipped {', '.join(shipped_configs())}{hint}"
        )
        return None
    try:
        layer = OmegaConf.load(path)
    except Exception as error:  # yaml and omegaconf raise many types; each says what is wrong and where
        faults.append(f"--config {name}: cannot be read as YAML: {error}")
        return None
    if not isinstance(layer, DictConfig):
        faults.append(f"--config {name}: must contain keys and values, but contains a list or a single value")
        return None
    source = yaml.load(path.read_text(encoding="utf-8"), yaml.BaseLoader)
    return OmegaConf.create(_texts_as_written(OmegaConf.to_container(layer), source, schema))


def read_override(text: str, schema: type, faults: list[str]) -> DictConfig | None:
    """Read `key=value`; collect a problem if it cannot be read."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        faults.append(f"{text}: must have the form key=value, such as data.shots=10")
        return None
    kind = _kind_of(key, schema)
    if value == "None" and type(None) in typing.get_args(kind):
        faults.append(f"{text}: null stands for no value; write {key}=null")
        return None
    try:
        if _is_text(kind) or _is_name_of_digits(kind, value):
            read = None if value == "null" else value
        elif _is_texts(kind):
            read = _texts_as_written(yaml.safe_load(value), yaml.load(value, yaml.BaseLoader), kind)
        else:
            return OmegaConf.from_dotlist([text])
        return OmegaConf.create(_nested(key.split("."), read))
    except Exception as error:  # as above
        faults.append(f"{text}: cannot be read: {error}")
        return None


def _nested(keys: list[str], value: Any) -> dict[str, Any]:
    """Return the dictionary that holds a value below these keys."""
    for key in reversed(keys):
        value = {key: value}
    found: dict[str, Any] = value
    return found


def _texts_as_written(value: Any, source: Any, kind: Any) -> Any:
    """Return values as YAML reads them, but strings as written: YAML would turn a revision 0012345 into 5349.

    Args:
        value: the value as YAML reads it.
        source: the same with every scalar as a string.
        kind: its type in the schema; for a section its dataclass.
    """
    if dataclasses.is_dataclass(kind) and isinstance(value, dict):
        kinds = typing.get_type_hints(kind)
        return {
            key: _texts_as_written(one, source.get(str(key)), kinds.get(str(key)))
            for key, one in value.items()
        }
    if _is_texts(kind) and isinstance(value, list):
        return [_texts_as_written(one, text, str) for one, text in zip(value, source, strict=True)]
    is_other = value is not None and not isinstance(value, (str, dict, list))
    return source if is_other and isinstance(source, str) and _is_text(kind) else value


def _kind_of(key: str, schema: Any) -> Any:
    """Return the type of a setting by its dotted name; None if there is no such setting."""
    for name in key.split("."):
        if not dataclasses.is_dataclass(schema):
            return None
        schema = typing.get_type_hints(schema).get(name)
    return schema


def _is_text(kind: Any) -> bool:
    """Return whether a setting is a string or null."""
    parts = typing.get_args(kind) if typing.get_origin(kind) is typing.Union else (kind,)
    return set(parts) - {type(None)} == {str}


def _is_name_of_digits(kind: Any, value: str) -> bool:
    """Return whether a setting accepts numbers and strings, and this is a string, such as a fold "01"."""
    parts = set(typing.get_args(kind)) - {type(None)}
    return parts == {int, str} and re.fullmatch(r"0\d+", value) is not None


def _is_texts(kind: Any) -> bool:
    """Return whether a setting is a list of strings."""
    return typing.get_origin(kind) is list and typing.get_args(kind) == (str,)
