"""Interpretation of `model.path`. Without torch, so that a wrong path is reported at once."""

from __future__ import annotations

import os
from pathlib import Path

from calm_pl.assets import resolve
from calm_pl.errors import ModelError


def local_path(path: str) -> str:
    """Return the folder that a path means, or the hub id that it is.

    Raises:
        ModelError: a folder that is not there.
    """
    local = resolve(path)
    if looks_local(path) and not Path(local).is_dir():
        raise ModelError(f"model.path is {path!r}, but there is no such folder. Give a folder or a hub id.")
    return local


def looks_local(path: str) -> bool:
    """Return whether a path is meant as a folder: it starts as one, or has not the form of a hub id."""
    return path.startswith(("/", "./", "../", "~", "bundled:")) or path.count("/") != 1 or os.path.isdir(path)
