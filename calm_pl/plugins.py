"""User files that add methods, metrics, benchmarks, callbacks and model families. Floor 3.

A plugin is Python code and runs with the user's rights, so only files that the user names are loaded.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from calm_pl.config.callbacks import CALLBACKS
from calm_pl.data import add_benchmark
from calm_pl.errors import ConfigError, DataError, ModelError
from calm_pl.methods import METHODS
from calm_pl.metrics.info import METRICS
from calm_pl.rows import RowTable, public_name

_TABLES: dict[str, RowTable[Any]] = {"METHODS": METHODS, "METRICS": METRICS, "CALLBACKS": CALLBACKS}
"""Lists of rows that a plugin may define."""


def load_plugins(paths: Sequence[str]) -> None:
    """Run plugin files and add what they define.

    `METHODS`, `METRICS` and `CALLBACKS` are lists of rows; `BENCHMARKS` are classes by name, `FAMILIES` model
    families by `model_type`.

    Loading a file again changes nothing. A row names its class as `FILE:Class`, where FILE is the file's name
    without `.py`.

    Args:
        paths: the files.

    Raises:
        ConfigError: no such file, the name of another module, code that fails, or an invalid row.
    """
    for text in paths:
        _load(Path(text).expanduser())


def _is_free(name: str, path: Path) -> bool:
    """Return whether no module except the plugin itself has the name."""
    found = importlib.util.find_spec(name)
    return found is None or (found.origin is not None and Path(found.origin).resolve() == path.resolve())


def _load(path: Path) -> None:
    where = f"plugins: {path}"
    if path.suffix != ".py" or not path.is_file():
        raise ConfigError([f"{where}: must be an existing Python file, such as my_voter.py"])
    name, before = path.stem, sys.modules.get(path.stem)
    if before is not None and getattr(before, "__file__", None) == str(path.resolve()):
        return
    if before is not None or not _is_free(name, path):
        raise ConfigError([f"{where}: another module is already named {name!r}; rename the file"])
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    if spec is None or spec.loader is None:
        raise ConfigError([f"{where}: cannot be imported as {name!r}"])
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # user code may raise anything
        del sys.modules[name]
        raise ConfigError([f"{where}: cannot be loaded: {type(error).__name__}: {error}"]) from error
    for attribute, table in _TABLES.items():
        rows, kind = getattr(module, attribute, []), table.kind
        wrong = [row for row in rows if not isinstance(row, kind)]
        if wrong:
            raise ConfigError(
                [f"{where}: {attribute} must be a list of {public_name(kind)}, but contains {wrong[0]!r}"]
            )
        for row in rows:
            table.add(row)
    try:
        for key, cls in getattr(module, "BENCHMARKS", {}).items():
            add_benchmark(key, cls)
        if hasattr(module, "FAMILIES"):
            from calm_pl.models.families.table import add_family

            for model_type, family in module.FAMILIES.items():
                add_family(model_type, family)
    except (DataError, ModelError) as error:
        raise ConfigError([f"{where}: {error}"]) from error
