"""Paths of a configuration and of a command line, checked before torch is imported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from calm_pl.assets import resolve
from calm_pl.config.schema import Config, ModelConfig
from calm_pl.data import BENCHMARKS
from calm_pl.errors import DataError, ModelError, RunError
from calm_pl.models.checkpoint_path import local_path


def require_model(model: ModelConfig) -> None:
    """Make sure that a model's folder and mask are there; what is in them is read later.

    Raises:
        ModelError: one of them is not there.
    """
    local_path(model.path)
    if model.mask is not None:
        _require_file("model.mask", model.mask, ModelError)


def require_paths(config: Config) -> None:
    """Make sure that the files and folders a job names are there; what is in them is read later.

    Raises:
        DataError: a data set's folder or a list of clips is not there.
        ModelError: a model's folder or a mask is not there.
        RunError: `bank.dir` is a file, or below one.
    """
    require_model(config.model)
    if config.bank.dir is not None:
        _require_room("bank.dir", Path(config.bank.dir))
    data = config.data
    if data.benchmark == "manifest":
        for key, path in (("data.manifest", data.manifest), ("data.query_manifest", data.query_manifest)):
            if path is not None:
                _require_file(key, path, DataError)
    # An empty root is the manifest's folder; the hub's names, and other packages' roots, are no folders.
    if data.root and data.benchmark in BENCHMARKS and data.benchmark != "huggingface":
        root = Path(resolve(data.root))
        if not root.is_dir():
            raise DataError(
                f"data.root is {str(root)!r}, but there is no such folder. `list benchmarks` says what"
                f" {data.benchmark} expects there."
            )


def find_files(paths: Sequence[str]) -> Iterator[Path]:
    """Yield files as given, and all audio files below folders, by name.

    Raises:
        DataError: a path that is not there, or a folder without sound files.
    """
    from calm_pl.data.found_files import is_media, walk
    from calm_pl.media import MEDIA_SUFFIXES

    for text in paths:
        path = Path(text)
        if not path.is_dir():
            if not path.exists():
                raise DataError(f"{path}: no such file or folder.")
            yield path
            continue
        found = sorted(p for p in walk(path) if is_media(p))
        if not found:
            raise DataError(f"{path}: contains no sound file ({', '.join(sorted(MEDIA_SUFFIXES))}).")
        yield from found


def _require_room(key: str, folder: Path) -> None:
    """Make sure that a path is a folder, or can become one."""
    there = next((path for path in (folder, *folder.parents) if path.exists()), None)
    if there is not None and not there.is_dir():
        what = "a file" if there == folder else f"below the file {str(there)!r}"
        raise RunError(f"{key} is {str(folder)!r}, which is {what}: name a folder, or {key}=null.")


def _require_file(key: str, path: str, error: type[DataError | ModelError]) -> None:
    if not Path(path).expanduser().is_file():
        raise error(f"{key} is {path!r}, but there is no such file.")
