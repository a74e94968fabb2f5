"""Composition of a configuration from files and overrides, and its checks.

A `DictConfig` stops here: everything below gets plain values.
"""

from __future__ import annotations

import copy
import dataclasses
import difflib
import functools
import hashlib
import json
import logging
import os
import re
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, overload

from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from calm_pl.config.cross_faults import cross_faults
from calm_pl.config.layers import read_file, read_override
from calm_pl.config.schema import Config
from calm_pl.errors import ConfigError
from calm_pl.plugins import load_plugins
from calm_pl.validation import type_name

Schema = TypeVar("Schema")
_LOG = logging.getLogger("calm_pl")
_FROM_ENVIRONMENT = re.compile(r"\$\{\s*oc\.env\s*:\s*([^,}\s]+)")
_ANNOUNCED: set[tuple[str, str]] = set()
_UNRESOLVED = object()  # placeholder for a value whose interpolation cannot be resolved
_DEFAULTS: dict[tuple[type, str], Any] = {}
"""Default values as `checked` gives them, by schema and name."""


@overload
def load_config(files: Sequence[str], overrides: Sequence[str]) -> Config: ...
@overload
def load_config(files: Sequence[str], overrides: Sequence[str], schema: type[Schema]) -> Schema: ...
def load_config(files: Sequence[str], overrides: Sequence[str], schema: type = Config) -> Any:
    """Compose files (later wins) and `key=value` overrides (last), and check the result.

    Args:
        files: paths, or names of shipped configurations.
        overrides: `key=value`.
        schema: the dataclass to fill.

    Raises:
        ConfigError: all problems at once.
    """
    faults: list[str] = []
    config: Any = compose(schema, files, overrides, faults)
    if faults:
        raise ConfigError(faults)
    return config


def compose(
    schema: type[Schema],
    files: Sequence[str],
    overrides: Sequence[str],
    faults: list[str],
    more: Sequence[DictConfig] = (),
) -> Schema:
    """Compose a schema with further sections, as `load_config`; problems are collected, not raised.

    Args:
        schema: see there, as `files` and `overrides`.
        files: before `more`.
        overrides: after `more`.
        faults: problems are added to them.
        more: layers that were read already.
    """
    layers = [layer for name in files if (layer := read_file(name, schema, faults)) is not None]
    unread = bool(faults)  # what an unreadable file would have set is unknown
    layers += more
    layers += [layer for text in overrides if (layer := read_override(text, schema, faults)) is not None]
    raw = _resolved(schema, layers, faults)
    plugins = raw.get("plugins")
    if issubclass(schema, Config) and isinstance(plugins, list) and all(isinstance(p, str) for p in plugins):
        try:
            load_plugins(plugins)  # before names of benchmarks and methods are checked
        except ConfigError as error:
            faults += error.faults
    config: Schema = _fill(schema, raw, "", faults, schema)
    if unread:
        faults[:] = [fault for fault in faults if ": is required, but missing" not in fault]
    if not faults and isinstance(config, Config):
        faults += cross_faults(config)
    return config


def setting_paths(schema: type = Config) -> list[str]:
    """Return the full names of all settings, such as `data.shots`."""
    return [path for _, path in _leaves(schema, "")]


def to_yaml(config: Any) -> str:
    """Return the resolved configuration as YAML."""
    return OmegaConf.to_yaml(OmegaConf.structured(config))


def config_hash(config: Config) -> str:
    """Return the SHA-256 of what can change results: model, data, voter, methods.

    Where a job runs, how it is batched and where it writes are not included.
    """
    plain = dataclasses.asdict(config)
    kept = {name: plain[name] for name in ("model", "data", "voter", "methods", "zero_shot")}
    unimportant = {
        "data": ("batch_size", "batch_seconds", "num_workers", "decode_seconds", "cache_dir"),
        "model": ("device_map", "offline", "self_check"),
    }
    for section, names in unimportant.items():
        for name in names:
            del kept[section][name]
    for section, name in (
        ("model", "mask"),
        ("data", "limit"),
        ("data", "cv_folds"),
        ("data", "group_pattern"),
    ):
        if kept[section][name] is None:
            del kept[section][name]
    kept["bank_dtype"] = plain["bank"]["dtype"]
    if kept["data"].pop("support_labels") == "pseudo":
        kept["pseudo"] = plain["pseudo"]
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def _merged(base: Any, layer: Any) -> Any:
    """Merge sections key by key; any other value in a later layer replaces the earlier one."""
    if not isinstance(base, dict) or not isinstance(layer, dict):
        return layer
    return {**base, **{key: _merged(base.get(key), value) for key, value in layer.items()}}


def _resolved(schema: type, layers: list[DictConfig], faults: list[str]) -> dict[str, Any]:
    """Merge defaults and all layers into one plain dictionary, with interpolations resolved."""
    merged: Any = _defaults(schema)
    for layer in layers:
        merged = _merged(merged, OmegaConf.to_container(layer))
    if not _interpolates(merged):
        return _with_text_keys(merged)
    _announce_environment(merged)
    return _plain(OmegaConf.create(merged), "", faults)


@functools.cache
def _defaults(schema: type) -> Any:
    """Return a schema's defaults as plain values; do not modify them."""
    return OmegaConf.to_container(OmegaConf.structured(schema))


def _interpolates(value: Any) -> bool:
    """Return whether any string refers to another setting; resolving takes longer than everything else."""
    if isinstance(value, dict):
        return any(_interpolates(one) for one in value.values())
    if isinstance(value, list):
        return any(map(_interpolates, value))
    return isinstance(value, str) and "${" in value


def _announce_environment(merged: Any, path: str = "") -> None:
    """Log once which settings come from the environment, because a run stores their values."""
    if isinstance(merged, (dict, list)):
        parts = merged.items() if isinstance(merged, dict) else enumerate(merged)
        for key, part in parts:
            _announce_environment(part, f"{path}.{key}" if path else str(key))
    elif isinstance(merged, str):
        for name in _FROM_ENVIRONMENT.findall(merged):
            if (path, name) not in _ANNOUNCED and os.environ.get("LOCAL_RANK", "0") == "0":
                _LOG.warning(
                    "%s takes %s from the environment, and its value is written to the run's config.yaml.",
                    path,
                    name,
                )
            _ANNOUNCED.add((path, name))


def _with_text_keys(section: dict[Any, Any]) -> dict[str, Any]:
    """Return a section's values with string keys, as `_plain` does without interpolations."""
    return {
        str(key): _with_text_keys(value) if isinstance(value, dict) else copy.deepcopy(value)
        for key, value in section.items()
    }


def _plain(section: DictConfig, path: str, faults: list[str]) -> dict[str, Any]:
    """Return a section's values; those that cannot be resolved are collected as problems."""
    plain: dict[str, Any] = {}
    for key in section:
        name = str(key)
        try:
            value = MISSING if OmegaConf.is_missing(section, key) else section[key]
            if isinstance(value, DictConfig):
                plain[name] = _plain(value, f"{path}{name}.", faults)
            elif OmegaConf.is_config(value):
                plain[name] = OmegaConf.to_container(value, resolve=True)
            else:
                plain[name] = value
        except (OmegaConfBaseException, RecursionError) as error:
            reason = str(error).splitlines()[0]
            faults.append(f"{path}{name}: the interpolation cannot be resolved: {reason}")
            plain[name] = _UNRESOLVED
    return plain


def _fill(schema: type, raw: Any, path: str, faults: list[str], root: type) -> Any:
    """Build a schema dataclass, part of `root`, from plain values; collect problems with their paths."""
    if not isinstance(raw, Mapping):
        faults.append(f"{path.rstrip('.')}: must be a section with keys, but is {raw!r}")
        return schema()
    types = typing.get_type_hints(schema)
    fields = {f.name: f for f in dataclasses.fields(schema)}
    for key in raw:
        if key not in fields:
            faults.append(f"{path}{key}: unknown key{_nearest(str(key), path, fields, root)}")
    values = {}
    for name, spec in fields.items():
        kind = types[name]
        if raw.get(name) is _UNRESOLVED:
            continue
        if dataclasses.is_dataclass(kind):
            values[name] = _fill(typing.cast(type, kind), raw.get(name, {}), f"{path}{name}.", faults, root)
        elif raw.get(name, MISSING) != MISSING:
            values[name] = _leaf(schema, spec, raw[name], kind, f"{path}{name}", faults)
        elif spec.default is MISSING or spec.default == MISSING:
            faults.append(f"{path}{name}: is required, but missing; set {path}{name}=VALUE")
    return schema(**values)


def _leaf(schema: type, spec: Any, value: Any, kind: Any, path: str, faults: list[str]) -> Any:
    """Check a leaf, but each default only once: a configuration is mostly defaults."""
    default = spec.default if spec.default is not dataclasses.MISSING else spec.default_factory()
    if type(value) is not type(default) or value != default:
        return checked(value, kind, spec, path, faults)
    known = schema, spec.name
    if known not in _DEFAULTS:
        before = len(faults)
        found = checked(value, kind, spec, path, faults)
        if len(faults) > before:
            return found
        _DEFAULTS[known] = found
    return copy.deepcopy(_DEFAULTS[known])


def checked(value: Any, kind: Any, spec: Any, path: str, faults: list[str]) -> Any:
    """Convert a leaf's value to its type, if it obeys its rule."""
    node = OmegaConf.structured(_leaf_class(kind))
    try:
        OmegaConf.update(node, "value", value)
        value = OmegaConf.to_container(node)["value"]  # type: ignore[index, call-overload]
    except OmegaConfBaseException:
        faults.append(f"{path}: must be {type_name(kind)}, but is {value!r}")
        return value
    if spec.metadata.get("is_path") and isinstance(value, str) and value.startswith("~"):
        value = str(Path(value).expanduser())
    rule = spec.metadata.get("rule")
    if rule is not None and value is not None and not rule.holds(value):
        near = difflib.get_close_matches(str(value), rule.known, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        faults.append(f"{path}: must be {rule.text}, but is {value!r}{hint}")
    return value


@functools.cache
def _leaf_class(kind: Any) -> type:
    """Return a schema of one value, which OmegaConf uses for conversion."""
    return dataclasses.make_dataclass("Leaf", [("value", kind)])


def _nearest(key: str, path: str, fields: Mapping[str, Any], root: type) -> str:
    """Suggest a key: the same one in another section, or a similar one, in this section first."""
    everywhere: dict[str, str] = {}
    for name, where in _leaves(root, ""):
        everywhere.setdefault(name, where)
    here = difflib.get_close_matches(key, fields, 1)
    if here and key not in everywhere:
        return f"; did you mean {path}{here[0]}?"
    elsewhere = difflib.get_close_matches(key, everywhere, 1)
    return f"; did you mean {everywhere[elsewhere[0]]}?" if elsewhere else ""


def _leaves(schema: type, path: str) -> Iterator[tuple[str, str]]:
    types = typing.get_type_hints(schema)
    for spec in dataclasses.fields(schema):
        if dataclasses.is_dataclass(types[spec.name]):
            yield from _leaves(typing.cast(type, types[spec.name]), f"{path}{spec.name}.")
        else:
            yield spec.name, f"{path}{spec.name}"
