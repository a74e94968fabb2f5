"""Files of a user's own that add methods: `plugins:` of a configuration, or `--plugins`. Floor 2.

A plugin is Python code and runs with the user's rights, so only files that the user names are loaded.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

from calm_pl.errors import ConfigError
from calm_pl.methods import METHODS, Method


def load_plugins(paths: Sequence[str]) -> None:
    """Run plugin files, and add the rows of their `METHODS` to the table; loading one again changes nothing.

    A row names its class as `FILE:Class`, by the file's name without `.py`.

    Args:
        paths: the files.

    Raises:
        ConfigError: no such file, a name that another module has, code that fails, or a row that is none.
    """
    for text in paths:
        _load(Path(text).expanduser())


def _load(path: Path) -> None:
    where = f"plugins: {path}"
    if path.suffix != ".py" or not path.is_file():
        raise ConfigError([f"{where}: must be a Python file that is there, such as my_voter.py"])
    name, before = path.stem, sys.modules.get(path.stem)
    if before is not None and getattr(before, "__file__", None) == str(path.resolve()):
        return
    if before is not None or importlib.util.find_spec(name) is not None:
        raise ConfigError([f"{where}: a module of the name {name!r} is there already; rename the file"])
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    if spec is None or spec.loader is None:
        raise ConfigError([f"{where}: cannot be imported as {name!r}"])
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # the user's code may raise anything
        del sys.modules[name]
        raise ConfigError([f"{where}: cannot be loaded: {type(error).__name__}: {error}"]) from error
    rows = getattr(module, "METHODS", [])
    wrong = [row for row in rows if not isinstance(row, Method)]
    if wrong:
        raise ConfigError(
            [f"{where}: METHODS must be a list of calm_pl.methods.Method, but holds {wrong[0]!r}"]
        )
    for row in rows:
        METHODS.add(row)
