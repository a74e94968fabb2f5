"""Your own clips from a manifest; also reads the JSON lists of the released CALM code unchanged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from calm_pl.cells import unguarded
from calm_pl.data.alike import plain
from calm_pl.data.benchmark import Benchmark
from calm_pl.data.facts import Facts
from calm_pl.data.own.columns import (
    LABEL_COLUMNS,
    PATH_COLUMNS,
    check_columns,
    column_of,
    label_texts,
    one_text,
    several_texts,
    usual_names,
    whole_number,
)
from calm_pl.data.own.manifest_paths import ManifestPaths
from calm_pl.data.own.own_clips import Found, join_rows, own_listing
from calm_pl.data.own.splits import POOL, QUERY, split_name
from calm_pl.data.questions.clips import Asked, Clip, Listing
from calm_pl.data.questions.prompts import LETTERS
from calm_pl.data.settings import DataSettings
from calm_pl.data.tables import Row, read_csv, read_json, read_jsonl
from calm_pl.errors import DataError

_RELEASED_PATH = "wav"  # the released lists' column; its paths are those of their authors' machine


class Manifest(Benchmark):
    """`data.manifest` lists the clips: a CSV or TSV file with a header, a JSON list, or JSONL.

    A row has a path, a label (or several, as a list or separated by `|`) and perhaps split, fold, group,
    video, question and options, in the columns of `data.columns`. Several rows of one path with different
    labels are one clip with several labels. Without splits and folds the clips are divided by
    `data.query_fraction`; with `data.query_manifest` the first list is the pool and the second the query.
    Classes are in the order of their names.

    `multi_label` is true where any clip has several labels, `modality` is `video` where any has a `video`.
    """

    facts = Facts(
        title="your manifest",
        licence="yours",
        home="docs/benchmarks.md",
        layout="data.manifest, a CSV, TSV, JSON or JSONL file of paths and labels; paths are below data.root",
        about="your clips, by a list",
        sides="by column, or divided",
    )
    own_data = True

    def __init__(self, settings: DataSettings) -> None:
        if settings.manifest is None:
            raise DataError("data.manifest must name the list of clips (CSV, TSV, JSON or JSONL).")
        self.lists = {Path(settings.manifest).expanduser(): ""}
        if settings.query_manifest is not None:
            self.lists = {
                Path(settings.manifest).expanduser(): POOL,
                Path(settings.query_manifest).expanduser(): QUERY,
            }
            if len(self.lists) < 2:
                raise DataError(f"data.query_manifest is data.manifest itself, {settings.manifest}.")
        folder = str(Path(settings.manifest).expanduser().parent)
        super().__init__(replace(settings, root=settings.root or folder))

    def read(self) -> Listing:
        """Read the rows of the manifests."""
        paths = ManifestPaths(self.root, self.settings.allow_outside, self.settings.path_prefix)
        found: list[Found] = []
        for path, split in self.lists.items():
            rows = read_rows(path)
            if not rows:
                raise DataError(f"{path}: lists no clip.")
            rows = usual_names(rows, self.settings.columns)
            known = {column for row in rows for column in row.values}
            check_columns(self.settings.columns, known, str(path))
            found += [self._found(row, paths, split) for row in rows]
        clips, repeats = join_rows(found)
        if repeats:
            self.notes.append(f"{repeats:,} rows repeat a clip and its labels, and count once")
        self.multi_label = any(len(clip.labels) > 1 for clip in clips)
        self.notes += paths.notes()
        return own_listing(clips, self.settings, self.notes)

    def _found(self, row: Row, paths: ManifestPaths, split: str) -> Found:
        columns, (where, values) = self.settings.columns, row
        path_column = column_of(columns.path, PATH_COLUMNS, row, "path")
        released = path_column == _RELEASED_PATH
        path = paths.find(one_text(values, path_column, where), where, released)
        video_text = one_text(values, columns.video, where)
        video = paths.find(video_text, where, released) if video_text else None
        if video is not None:
            self.modality = "video"
        label_column = column_of(columns.label, LABEL_COLUMNS, row, "label")
        labels = label_texts(values[label_column], where, label_column, self.settings.label_separator)
        group = whole_number(one_text(values, columns.group, where))
        return Found(
            where,
            Clip(
                paths.id_of(path),
                path,
                labels,
                (group,) if group else (),
                split=split or split_name(one_text(values, columns.split, where)),
                fold="" if split else whole_number(one_text(values, columns.fold, where)),
                video=None if video == path else video,
                asked=self._asked(row, labels),
            ),
        )

    def _asked(self, row: Row, labels: tuple[str, ...]) -> tuple[Asked, ...]:
        """Return the row's own question, if it has one."""
        columns, (where, values) = self.settings.columns, row
        question = one_text(values, columns.question, where)
        given = values.get(columns.options) if columns.options else None
        if not question:
            return ()
        if len(labels) > 1:
            raise DataError(f"{where}: a question is about one label; give each label a row of its own.")
        options = several_texts(given, where, str(columns.options)) if given else ()
        if not all(option in plain(question) for option in options):
            lettered = (f"{LETTERS[i % 26]}. {option}" for i, option in enumerate(options))
            question = " ".join([question, *lettered])
        return (Asked(labels[0], question, options),)


def _unguarded(row: Row) -> Row:
    """Return a row of a CSV file without the `'` that keeps spreadsheets from running a cell."""
    return row._replace(values={name: unguarded(cell) for name, cell in row.values.items()})


def read_rows(path: Path) -> list[Row]:
    """Read the rows of a manifest, by its suffix.

    Raises:
        DataError: another suffix, or no such file; and what the readers raise.
    """
    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv", ".txt"):
        return [
            _unguarded(row)
            for row in read_csv(path, delimiter="," if suffix == ".csv" else "\t", detect=True)
        ]
    if suffix == ".json":
        return read_json(path)
    if suffix in (".jsonl", ".ndjson"):
        return read_jsonl(path)
    raise DataError(f"{path}: a manifest must end in .csv, .tsv, .txt, .json or .jsonl.")
