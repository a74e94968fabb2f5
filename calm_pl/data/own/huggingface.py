"""A data set of the Hugging Face hub, or one saved by `datasets`; needs the extra `calm_pl[datasets]`."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from calm_pl.data.alike import plain
from calm_pl.data.benchmark import Benchmark
from calm_pl.data.facts import Facts
from calm_pl.data.own.columns import (
    LABEL_COLUMNS,
    check_columns,
    column_of,
    label_texts,
    one_text,
    several_texts,
)
from calm_pl.data.own.own_clips import Found, join_rows, own_listing
from calm_pl.data.own.splits import split_name
from calm_pl.data.questions.clips import Clip, Listing
from calm_pl.data.tables import Row
from calm_pl.errors import DataError
from calm_pl.media import MEDIA_SUFFIXES

AUDIO_COLUMNS = ("audio", "file", "path", "wav")
_SAVED = ("dataset_dict.json", "state.json")


class HuggingFace(Benchmark):
    """`data.root` is a name on the hub, `NAME:CONFIG`, or a folder saved by `save_to_disk`.

    The audio and label columns are `data.columns.path` and `data.columns.label`; a label is text, a
    `ClassLabel` or a list of either. The data set's own splits are used; with a single one, a split or fold
    column, else `data.query_fraction`. Clips that lie in the data set as bytes are written once, under the
    hash of their content, below `data.cache_dir`, and read from there as any other file.
    """

    facts = Facts(
        title="a Hugging Face data set",
        licence="its own",
        home="https://huggingface.co/datasets",
        layout="data.root is a name on the hub, NAME:CONFIG, or a folder saved by `datasets`",
    )
    own_data = True

    def read(self) -> Listing:
        """Read the rows of every split."""
        tables = load_tables(self.settings.root)
        cache = Path(self.settings.cache_dir or default_cache()).expanduser() / "clips"
        found: list[Found] = []
        names: dict[str, None] = {}
        for split, table in tables.items():
            where = f"{self.settings.root}, split {split}" if split else self.settings.root
            check_columns(self.settings.columns, table.column_names, where)
            found += self._rows(table, split if len(tables) > 1 else "", where, cache, names)
        if not found:
            raise DataError(f"{self.settings.root} contains no rows.")
        clips, repeats = join_rows(found)
        if repeats:
            self.notes.append(f"{repeats:,} rows hold the same clip and labels as another, and count once")
        self.multi_label = any(len(clip.labels) > 1 for clip in clips)
        return own_listing(clips, self.settings, self.notes, list(names))

    def _rows(
        self, table: Any, split: str, where: str, cache: Path, names: dict[str, None]
    ) -> Iterator[Found]:
        """Return clips of one split; names of class labels, in their order, are added to `names`."""
        from datasets import Audio

        c = self.settings.columns
        sample = Row(where, dict.fromkeys(table.column_names, "there"))
        audio = column_of(c.path, AUDIO_COLUMNS, sample, "path")
        label = column_of(c.label, LABEL_COLUMNS, sample, "label")
        class_names = _class_names(table.features[label])
        names.update(dict.fromkeys(plain(name) for name in class_names))
        kept = [name for name in table.column_names if name in (audio, label, c.split, c.fold, c.group)]
        table = table.cast_column(audio, Audio(decode=False)).select_columns(kept)
        for number, values in enumerate(table):
            here = f"{where}, row {number}"
            path, name = _as_file(values[audio], here, cache)
            group = one_text(values, c.group, here)
            if class_names:  # whole labels, whatever is in them
                labels = several_texts(_named(values[label], class_names, here), here, label)
            else:
                labels = label_texts(values[label], here, label, self.settings.label_separator)
            clip = Clip(
                name,
                path,
                labels,
                (group,) if group else (),
                split=split_name(split or one_text(values, c.split, here)),
                fold=one_text(values, c.fold, here),
            )
            yield Found(here, clip)


def load_tables(root: str) -> dict[str, Any]:
    """Load the splits of a data set by name.

    Raises:
        DataError: `datasets` is not installed, or it cannot load the data set.
    """
    try:
        import datasets
    except ImportError as error:
        raise DataError(
            "The benchmark `huggingface` needs the package `datasets`: pip install 'calm_pl[datasets]'."
        ) from error
    folder = Path(root).expanduser()
    try:
        if any((folder / name).is_file() for name in _SAVED):
            loaded = datasets.load_from_disk(str(folder))
        elif folder.is_dir():
            loaded = datasets.load_dataset(str(folder))
        else:
            name, _, config = root.partition(":")
            loaded = datasets.load_dataset(name, config or None)
    except Exception as error:  # network, hub, builders and file systems raise many types
        raise DataError(f"data.root is {root!r}, which `datasets` cannot load: {error}") from error
    return dict(loaded) if isinstance(loaded, datasets.DatasetDict) else {"": loaded}


def default_cache() -> Path:
    """Return `calm_pl` in the user's cache folder (`$XDG_CACHE_HOME`, else `~/.cache`)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "calm_pl"


def _class_names(feature: Any) -> list[str]:
    """Return the names of a `ClassLabel`, or of one in a list; none for other features."""
    while True:
        if hasattr(feature, "names"):
            return list(feature.names)
        inner = feature[0] if isinstance(feature, list) else getattr(feature, "feature", None)
        if inner is None:
            return []
        feature = inner


def _named(value: Any, names: list[str], where: str) -> Any:
    """Return a label, or a list of them, with class numbers replaced by names."""
    if isinstance(value, list):
        return [_named(one, names, where) for one in value]
    if not names:
        return value
    if not isinstance(value, int) or not 0 <= value < len(names):
        raise DataError(f"{where}: label must be 0 to {len(names) - 1}, but is {value!r}.")
    return names[value]


def _as_file(audio: Any, where: str, cache: Path) -> tuple[Path, str]:
    """Return a file with a row's clip, and the clip's id."""
    audio = audio or {}
    content, name = audio.get("bytes"), audio.get("path") or ""
    if content is None:
        if not Path(name).is_file():
            raise DataError(f"{where}: holds neither the clip's bytes nor the path of a file, but {name!r}.")
        return Path(name), name
    digest = hashlib.sha256(content).hexdigest()
    suffix = Path(name).suffix.lower()
    path = cache / digest[:2] / (digest + (suffix if suffix in MEDIA_SUFFIXES else ""))
    if not path.is_file():
        _write(path, content)
    stem = Path(name).stem
    return path, f"{stem}-{digest[:12]}" if stem else digest[:24]


def _write(path: Path, content: bytes) -> None:
    """Write a file that appears whole, also where other ranks write the same one at the same time."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as part:
            part.write(content)
        os.replace(part.name, path)
    except OSError as error:
        raise DataError(
            f"{path.parent} cannot be written: {error.strerror or error}."
            " Choose another folder with data.cache_dir."
        ) from error
