"""Load the tables of a data set with the package `datasets`, of which no sound is decoded."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from calm_pl.errors import DataError

_SAVED = ("dataset_dict.json", "state.json")
_TABLE_FILES = {".parquet": "parquet", ".arrow": "arrow"}


def load_tables(root: str) -> dict[str, Any]:
    """Load the splits of a data set by name.

    Args:
        root: a name on the hub, `NAME:CONFIG`, a folder saved by `save_to_disk`, another folder or a Parquet
            or Arrow file that `load_dataset` reads.

    Raises:
        DataError: `datasets` is not installed, or it cannot load the data set.
    """
    try:
        import datasets
    except ImportError as error:
        raise DataError(
            "The benchmark `huggingface` needs the package `datasets`: pip install 'calm_pl[datasets]'."
        ) from error
    path = Path(root).expanduser()
    try:
        with _sound_as_it_is(datasets):
            if any((path / name).is_file() for name in _SAVED):
                loaded = datasets.load_from_disk(str(path))
            elif path.is_dir():
                loaded = datasets.load_dataset(str(path))
            elif path.is_file() and path.suffix in _TABLE_FILES:
                loaded = datasets.load_dataset(_TABLE_FILES[path.suffix], data_files=str(path))
            else:
                name, _, config = root.partition(":")
                loaded = datasets.load_dataset(name, config or None)
    except Exception as error:  # network, hub, builders and file systems raise many types
        raise DataError(
            f"data.root is {root!r}, which `datasets` cannot load: {root_cause(error)}"
        ) from error
    return dict(loaded) if isinstance(loaded, datasets.DatasetDict) else {"": loaded}


def root_cause(error: BaseException) -> str:
    """Return the first line of what an exception was raised from, in the end, with its type."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = str(error).strip() or "no reason given"
    return f"{text.splitlines()[0]} ({type(error).__name__})"


def plain_audio(table: Any, column: str) -> Any:
    """Return a table whose column of type `Audio`, if it is one, gives paths and bytes instead of samples."""
    from datasets import Audio

    is_audio = isinstance(table.features[column], Audio)
    return table.cast_column(column, Audio(decode=False)) if is_audio else table


@contextmanager
def _sound_as_it_is(datasets: Any) -> Iterator[None]:
    """Let folders of sound be loaded without torchcodec.

    `datasets` imports it before it stores a clip, also where only the clip's path or bytes are stored.
    """
    encode = datasets.Audio.encode_example
    datasets.Audio.encode_example = _stored
    try:
        yield
    finally:
        datasets.Audio.encode_example = encode


def _stored(feature: Any, value: Any) -> dict[str, Any]:
    """Return a clip as `datasets` stores it: bytes and path, of which one may be None."""
    if isinstance(value, (str, os.PathLike)):
        return {"bytes": None, "path": os.fspath(value)}
    if isinstance(value, (bytes, bytearray)):
        return {"bytes": bytes(value), "path": None}
    if isinstance(value, Mapping) and value.get("array") is not None:
        return {"bytes": wav_of(value["array"], value.get("sampling_rate")), "path": value.get("path")}
    if isinstance(value, Mapping):
        return {"bytes": value.get("bytes"), "path": value.get("path")}
    raise TypeError(f"a clip must be a path, bytes or samples, but is {type(value).__name__}")


def wav_of(array: Any, rate: Any) -> bytes:
    """Return a WAV file of samples: (T,), or (channels, T); floats of full scale 1, or 16-bit integers.

    Raises:
        ValueError: another shape or type, no samples, or no rate.
    """
    import soundfile

    try:
        samples = np.asarray(array)
    except ValueError as error:
        raise ValueError("holds lists of unequal length") from error
    if samples.ndim not in (1, 2) or samples.size == 0 or samples.dtype.kind not in "fiu":
        raise ValueError(f"must be samples (T,) or (channels, T), but is {samples.dtype} {samples.shape}")
    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 < rate < 2**31:
        raise ValueError(f"holds samples whose sampling_rate, beside them or in a column, is {rate!r}")
    if samples.dtype.kind != "f":
        samples = samples / 2**15
    file = io.BytesIO()
    soundfile.write(file, samples.astype(np.float32).T, int(rate), format="WAV", subtype="FLOAT")
    return file.getvalue()
