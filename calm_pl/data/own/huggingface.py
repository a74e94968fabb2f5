"""A data set of the Hugging Face hub, or one saved by `datasets`; needs the extra `calm_pl[datasets]`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from calm_pl.data.alike import plain
from calm_pl.data.benchmark import Benchmark
from calm_pl.data.facts import Facts
from calm_pl.data.found_files import is_hidden
from calm_pl.data.own.columns import (
    LABEL_COLUMNS,
    PATH_COLUMNS,
    check_columns,
    column_of,
    label_texts,
    one_text,
    several_texts,
)
from calm_pl.data.own.hf_tables import load_tables, plain_audio, root_cause
from calm_pl.data.own.own_clips import Found, join_rows, own_listing
from calm_pl.data.own.splits import split_name
from calm_pl.data.own.table_clips import TableClips, default_cache
from calm_pl.data.questions.clips import Clip, Listing
from calm_pl.data.tables import Row
from calm_pl.errors import BadClipError, DataError

AUDIO_COLUMNS = ("audio", *(name for name in PATH_COLUMNS if name not in ("audio", "video")))
RATE_COLUMNS = ("sampling_rate", "sample_rate")


class HuggingFace(Benchmark):
    """`data.root` is a name on the hub, `NAME:CONFIG`, a folder, or a Parquet file.

    A folder is one saved by `save_to_disk`, or what `load_dataset` reads: class folders, `metadata.csv`,
    Parquet and so on. The audio and label columns are `data.columns.path` and `data.columns.label`; a clip is
    of the type `Audio`, a path (relative ones are below `data.root`), bytes, or samples with their rate; a
    label is text, a `ClassLabel` or a list of either. The data set's own splits are used; with a single one,
    a split or fold column, else `data.query_fraction`. Clips that lie in the data set as bytes or samples are
    written once, under the hash of their content, below `data.cache_dir`, and read from there as any other
    file.
    """

    facts = Facts(
        title="a Hugging Face data set",
        licence="its own",
        home="https://huggingface.co/datasets",
        layout="data.root is a name on the hub, NAME:CONFIG, or a folder that `datasets` reads",
        about="local or from the hub",
        sides="its splits, or divided",
    )
    own_data = True

    def read(self) -> Listing:
        """Read the rows of every split."""
        tables = load_tables(self.settings.root)
        cache = Path(self.settings.cache_dir or default_cache()).expanduser() / "clips"
        root = Path(self.settings.root).expanduser()
        here = root.parent if root.is_file() else root if root.is_dir() else None
        files = TableClips(here, cache)
        found: list[Found] = []
        names: dict[str, None] = {}
        for split, table in tables.items():
            where = f"{self.settings.root}, split {split}" if split else self.settings.root
            check_columns(self.settings.columns, table.column_names, where)
            found += self._rows(table, split if len(tables) > 1 else "", where, files, names)
        if not found:
            raise DataError(f"{self.settings.root} contains no rows.")
        clips, repeats = join_rows(found)
        if repeats:
            self.notes.append(f"{repeats:,} rows hold the same clip and labels as another, and count once")
        if here is not None:
            _refuse_empty_folders(clips, here.resolve())
        if unused := sorted(names.keys() - {label for clip in clips for label in clip.labels}):
            self.notes.append(f"class labels without a clip: {', '.join(unused)}")
        self.multi_label = any(len(clip.labels) > 1 for clip in clips)
        return own_listing(clips, self.settings, self.notes, list(names))

    def _rows(
        self, table: Any, split: str, where: str, files: TableClips, names: dict[str, None]
    ) -> Iterator[Found]:
        """Return clips of one split; names of class labels, in their order, are added to `names`."""
        c = self.settings.columns
        sample = Row(where, dict.fromkeys(table.column_names, "there"))
        audio = column_of(c.path, AUDIO_COLUMNS, sample, "path")
        label = column_of(c.label, LABEL_COLUMNS, sample, "label")
        rate = next((name for name in RATE_COLUMNS if name in table.column_names), None)
        class_names = _class_names(table.features[label])
        names.update(dict.fromkeys(plain(name) for name in class_names))
        wanted = (audio, label, rate, c.split, c.fold, c.group)
        kept = [name for name in table.column_names if name in wanted]
        for here, values in _numbered(plain_audio(table, audio).select_columns(kept), where):
            path, name = self._file(files, values[audio], values[rate] if rate else None, f"{here}, {audio}")
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

    def _file(self, files: TableClips, cell: Any, rate: Any, where: str) -> tuple[Path, str]:
        """Return the file and the id of a cell's clip.

        Raises:
            DataError: it holds none, and such clips stop the job (`data.on_bad_clip`).
        """
        try:
            return files.find(cell, rate, where)
        except BadClipError as error:
            if self.settings.on_bad_clip == "skip":
                return files.noted(error)
            raise DataError(str(error)) from error


def _numbered(table: Iterable[dict[str, Any]], where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield rows, each behind its name.

    Raises:
        DataError: the library cannot read one.
    """
    rows = iter(table)
    number = 0
    while True:
        here = f"{where}, row {number}"
        try:
            values = next(rows)
        except StopIteration:
            return
        except Exception as error:  # of Arrow, file systems, or features that decode
            raise DataError(f"{here}: cannot be read by `datasets`: {root_cause(error)}") from error
        yield here, values
        number += 1


def _refuse_empty_folders(clips: Sequence[Clip], root: Path) -> None:
    """Raise where clips lie in folders of their classes and one beside these holds none.

    `datasets` passes over it.

    Raises:
        DataError: names the folder.
    """
    if not all(clip.labels == (plain(clip.path.parent.name),) for clip in clips):
        return
    folders = {clip.path.resolve().parent for clip in clips}
    for parent in sorted({folder.parent for folder in folders}):
        for folder in sorted(parent.iterdir()) if parent.is_relative_to(root) else ():
            holds_any = any(one.is_relative_to(folder) for one in folders)
            if folder.is_dir() and not is_hidden(folder.name) and not holds_any:
                raise DataError(
                    f"{root}: the class's folder {folder.relative_to(root).as_posix()!r} contains no clip;"
                    " fill it or move it away."
                )


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
