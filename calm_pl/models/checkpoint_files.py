"""Identify a checkpoint by the content of its files, without loading it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from calm_pl.errors import ModelError
from calm_pl.file_hashes import FileHashes

_THREADS = 8  # hashing lets other threads run
# Weights in forms that are never loaded, and texts for people: reading them would only take time.
_NOT_LOADED = frozenset(
    (".bin", ".ckpt", ".gguf", ".h5", ".md", ".msgpack", ".onnx", ".pt", ".pth", ".png", ".jpg", ".pdf")
)


def content_of(folder: Path, hashes: FileHashes, all_files: bool = False) -> dict[str, str]:
    """Return the SHA-256 of every file that a checkpoint may be loaded from, by name within its folder.

    Whole files are hashed, weights too, some 1.5 GB/s on one core: 16 GB take 10 s on one and less on
    several, or as long as the disk needs (`benchmarks/identity.py`). `hashes` remembers them for as long
    as size, times, inode and device of a file stay the same.

    Args:
        folder: the checkpoint's. Hidden files and folders in it are not part of it.
        hashes: of files seen before.
        all_files: also hash files of kinds that are not loaded; code of the checkpoint's own may read them.

    Raises:
        ModelError: a file cannot be read.
    """
    paths = sorted(path for path in _files(folder) if all_files or path.suffix.lower() not in _NOT_LOADED)

    def hash_of(path: Path) -> str:
        try:
            return hashes.sha256(path)
        except OSError as error:
            raise ModelError(
                f"{path}: cannot be read: {error.strerror or error}. Is the checkpoint complete?"
            ) from error

    with ThreadPoolExecutor(_THREADS) as threads:
        return {
            path.relative_to(folder).as_posix(): value
            for path, value in zip(paths, threads.map(hash_of, paths), strict=True)
        }


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder and its subfolders, but hidden ones: those are of tools such as git."""
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(where, name) for name in names if not name.startswith("."))
