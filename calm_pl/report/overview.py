"""One table of many runs: methods as rows, benchmarks as columns, the best of each column marked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

from calm_pl.errors import CalmError, RunError
from calm_pl.methods import METHODS
from calm_pl.methods.table import ORACLE_SUFFIX
from calm_pl.metrics.info import METRICS, MetricInfo, kinds_in
from calm_pl.metrics.intervals import Interval
from calm_pl.report.comparison import difference_between, names_of, shared_questions
from calm_pl.report.published import published, source
from calm_pl.report.results import metrics_of
from calm_pl.runs.entries import deviation_of, model_of, setting_of, varied
from calm_pl.runs.folder import LIMITED, RunFolder

NEAR_MEANS = (
    "not significantly worse than the best (paired over the same questions, 95 %, not corrected for multiple"
    " comparisons)"
)


class Mark(Enum):
    """What a cell is among those of its column."""

    NONE = ""
    BEST = "best"
    NEAR = "not significantly worse than the best"


class Value(NamedTuple):
    """A cell.

    Attributes:
        value: a fraction; None where the metric is not defined.
        deviation: standard deviation over draws, else over folds; None with one of each.
        interval: 95 %; None if the metric has none, or it is not asked for.
        mark: whether it is the best of its column.
    """

    value: float | None
    deviation: float | None
    interval: Interval | None
    mark: Mark


class Column(NamedTuple):
    """A heading.

    Attributes:
        benchmark: its name.
        metric: the metric's title.
        details: what tells it from other columns of the benchmark, and that it is limited; may be empty.
    """

    benchmark: str
    metric: str
    details: str

    @property
    def lines(self) -> tuple[str, ...]:
        """All of it, one line each."""
        return tuple(line for line in self if line)


class Row(NamedTuple):
    """A method of a model.

    Attributes:
        model: name of the model, the same in each row if there is one.
        method: title of the method.
        cells: as many as columns; None where no run has this.
    """

    model: str
    method: str
    cells: tuple[Value | None, ...]


class Overview(NamedTuple):
    """The table.

    Attributes:
        columns: benchmarks with their metric.
        rows: methods, those of a model together.
        notes: sentences below the table, without the explanation of the marks.
    """

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]

    @property
    def models(self) -> list[str]:
        """The models, in the order of the rows."""
        return list(dict.fromkeys(row.model for row in self.rows))

    def legend(self, best: str, near: str) -> list[str]:
        """Explain the marks that occur.

        Args:
            best: how the best of a column is marked.
            near: how those that are not significantly worse are.
        """
        marks = {cell.mark for row in self.rows for cell in row.cells if cell is not None}
        told = []
        if Mark.BEST in marks:
            told.append(f"{best}: the best of its column.")
        if Mark.NEAR in marks:
            told.append(f"{near}: {NEAR_MEANS}.")
        return told


_Key = tuple[tuple[str, str], str]  # model and mask, method


@dataclass
class _Slot:
    """The runs of one column."""

    benchmark: str
    metric: MetricInfo
    setting: tuple[str, ...]
    runs: list[RunFolder] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)

    @property
    def entries(self) -> dict[_Key, tuple[RunFolder, dict[str, Any]]]:
        """Each method's run and entry."""
        return {
            (model_of(run), name): (run, entry) for run in self.runs for name, entry in run.methods.items()
        }


def overview(runs: Sequence[RunFolder], detailed: bool = False, beside: bool = False) -> Overview:
    """Arrange runs in one table.

    A column holds the runs of a benchmark with the same classes, shots, options, folds and limit. Runs that
    have the same method of the same model get columns of their own.

    Args:
        runs: one or more.
        detailed: show every metric of the tasks, with intervals, instead of the one that decides.
        beside: behind the metric that decides, a column of published numbers, where there are any.

    Raises:
        RunError: a run has no metric that decides.
    """
    slots = _slots(runs)
    keys = _ordered(key for slot in slots for key in slot.entries)
    models = _model_names(list(dict.fromkeys(key[0] for key in keys)))
    columns: list[Column] = []
    cells: dict[_Key, list[Value | None]] = {key: [] for key in keys}
    remarks: list[str] = []
    for slot, details in zip(slots, _details(slots), strict=True):
        entries = slot.entries
        shown = metrics_of(next(iter(entries.values()))[1]) if detailed else [slot.metric]
        marked, why = _marks(slot)
        remarks += why
        for metric in shown:
            columns.append(Column(slot.benchmark, metric.title, details))
            for key in keys:
                mark = marked.get(key, Mark.NONE) if metric == slot.metric else Mark.NONE
                entry = entries[key][1] if key in entries else None
                cells[key].append(None if entry is None else _value(entry, metric, detailed, mark))
            if beside and metric == slot.metric:
                remarks += _published(slot, columns, details, cells)
    rows = tuple(Row(models[key[0]], METHODS.title(key[1]), tuple(cells[key])) for key in keys)
    one_model = [f"Model: {models[keys[0][0]]}."] if len(models) == 1 else []
    return Overview(
        tuple(columns),
        rows,
        (*one_model, *_how(slots, detailed), *map(_told, slots), *dict.fromkeys(remarks)),
    )


def _published(
    slot: _Slot, columns: list[Column], details: str, cells: dict[_Key, list[Value | None]]
) -> list[str]:
    """Add the column of published numbers, unless there are none; return what must be said of them."""
    found = {key: published(slot.benchmark, slot.metric.key, key[0][0], key[1]) for key in slot.entries}
    if all(value is None for value in found.values()):
        return [f"{slot.benchmark}, {slot.metric.title}: no published numbers are known for these models."]
    columns.append(Column(slot.benchmark, "published", details))
    for key, row in cells.items():
        value = found.get(key)
        row.append(None if value is None else Value(value, None, None, Mark.NONE))
    return [
        f"Published: {source()}; its draws, distractors and prompts are not known, so that differences of a"
        " few points mean little."
    ]


def _slots(runs: Sequence[RunFolder]) -> list[_Slot]:
    slots: list[_Slot] = []
    for run, folder in zip(runs, names_of(runs), strict=True):
        benchmark, metric, setting = run.results["benchmark"], _deciding(run), setting_of(run)
        own = {(model_of(run), name) for name in run.methods}
        for slot in slots:
            alike = (slot.benchmark, slot.metric, slot.setting) == (benchmark, metric, setting)
            if alike and not own & set(slot.entries):
                slot.runs.append(run)
                slot.folders.append(folder)
                break
        else:
            slots.append(_Slot(benchmark, metric, setting, [run], [folder]))
    return sorted(slots, key=lambda slot: [one.benchmark for one in slots].index(slot.benchmark))


def _deciding(run: RunFolder) -> MetricInfo:
    entry = next(iter(run.methods.values()))
    try:
        return METRICS.main(kinds_in(entry), among=entry)
    except (IndexError, TypeError) as error:
        raise RunError(f"{run.path / 'results.json'}: has no metric that decides its task.") from error


def _ordered(keys: Iterable[_Key]) -> list[_Key]:
    """Return each key once, those of a model together, methods in the order of their table."""
    found = list(dict.fromkeys(keys))
    models = list(dict.fromkeys(model for model, _ in found))
    known = METHODS.all_keys()
    return sorted(
        found,
        key=lambda key: (models.index(key[0]), known.index(key[1]) if key[1] in known else len(known)),
    )


def _model_names(models: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Return the last part of each model's path, the whole where that is not enough, and its mask."""

    def named(path: str, mask: str) -> str:
        return path + (f", mask {mask}" if mask else "")

    short = {one: named(Path(one[0].removeprefix("bundled:")).name, one[1]) for one in models}
    alike = len(set(short.values())) < len(models)
    return {one: named(*one) for one in models} if alike else short


def _details(slots: Sequence[_Slot]) -> list[str]:
    """Return what tells each column from others of its benchmark."""
    found = []
    for slot in slots:
        others = [one for one in slots if one.benchmark == slot.benchmark and one is not slot]
        parts = [
            part for part in slot.setting if part == LIMITED or any(part not in o.setting for o in others)
        ]
        if any((one.setting, one.metric) == (slot.setting, slot.metric) for one in others):
            parts += slot.folders
        found.append(", ".join(parts))
    return found


def _value(entry: dict[str, Any], metric: MetricInfo, detailed: bool, mark: Mark) -> Value:
    ends = entry.get("ci95", {}).get(metric.key) if detailed else None
    interval = None if ends is None else Interval(*ends)
    return Value(entry.get(metric.key), deviation_of(entry, metric.key), interval, mark)


def _marks(slot: _Slot) -> tuple[dict[_Key, Mark], list[str]]:
    """Return the marks of a column, and why some that could have one have none."""
    if LIMITED in slot.setting:
        return {}, []
    metric, entries = slot.metric, slot.entries
    values = {
        key: entry[metric.key]
        for key, (_, entry) in entries.items()
        if entry.get(metric.key) is not None and not key[1].endswith(ORACLE_SUFFIX)
    }
    if len(values) < 2:
        return {}, []
    top = (max if metric.higher_is_better else min)(values.values())
    best = [key for key, value in values.items() if value == top]
    marks = dict.fromkeys(best, Mark.BEST)
    if metric.key != "accuracy":
        return marks, [
            f"{slot.benchmark}: what is not significantly worse is not marked, because paired differences"
            f" are of the accuracy, not of {metric.title}."
        ]
    why: list[str] = []
    for key in values:
        if key not in marks:
            found = _not_worse((entries[best[0]][0], best[0][1]), (entries[key][0], key[1]), why)
            marks[key] = Mark.NEAR if found else Mark.NONE
    return marks, why


def _not_worse(best: tuple[RunFolder, str], other: tuple[RunFolder, str], why: list[str]) -> bool:
    """Return whether a method is not significantly worse than the best; False, with a reason, if unknown."""
    first, second = best[0], other[0]
    if first is second:
        pair = {best[1], other[1]}
        found = [one for one in first.results.get("differences", ()) if {one["better"], one["worse"]} == pair]
        if not found:
            why.append(
                f"{first.path} lacks paired differences: what is not significantly worse is not marked."
            )
        return bool(found) and not found[0]["significant"]
    try:
        shared = shared_questions(first.predictions, second.predictions)
    except CalmError as error:
        why.append(f"{second.path} is not compared with {first.path}: {error}")
        return False
    if shared is None:
        why.append(f"{second.path} shares no query clip with {first.path}: not compared with it.")
        return False
    both, here, there = (
        len(shared.first_q),
        len(first.predictions.questions),
        len(second.predictions.questions),
    )
    if not both == here == there:
        why.append(
            f"{second.path} ({there:,} questions) is compared with {first.path} ({here:,}) on the {both:,}"
            " that they share."
        )
    if first.predictions.predicted_QDM.shape[1] != second.predictions.predicted_QDM.shape[1]:
        why.append(
            f"{second.path} and {first.path} differ in their number of draws: compared over clips only."
        )
    return (
        difference_between(first.predictions, second.predictions, shared, (best[1], other[1])).interval.high
        >= 0
    )


def _how(slots: Sequence[_Slot], detailed: bool) -> list[str]:
    """Explain the numbers."""
    entries = [entry for slot in slots for _, entry in slot.entries.values()]
    over = sorted({what for entry in entries if (what := varied(entry)) is not None})
    deviation = f", ± standard deviation over {' or '.join(over)}" if over else ""
    interval = ", 95 % intervals in brackets" if detailed else ""
    oracle = any(key[1].endswith(ORACLE_SUFFIX) for slot in slots for key in slot.entries)
    return [
        f"In %{deviation}{interval}.",
        *(
            ["Oracle settings were selected on the query set: an upper bound, never the best."]
            if oracle
            else []
        ),
    ]


def _told(slot: _Slot) -> str:
    """Describe what a column is of."""
    counts = sorted({run.results["n_query"] for run in slot.runs if "n_query" in run.results})
    rounds = sorted({_draws(run) for run in slot.runs})
    parts = [
        *slot.setting,
        *([f"{_range(rounds)} draws"] if rounds != [1] else []),
        *([f"{_range(counts)} query questions"] if counts else []),
    ]
    return f"{slot.benchmark}, {slot.metric.title}: {', '.join(parts)} ({', '.join(slot.folders)})."


def _draws(run: RunFolder) -> int:
    entry = next(iter(run.methods.values()))
    return len({one.get("draw") for one in entry.get("rounds", ())}) or 1


def _range(numbers: Sequence[int]) -> str:
    low, high = numbers[0], numbers[-1]
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"
