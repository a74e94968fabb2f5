"""The table of a sweep: rows are added as they are computed, and survive however the job ends."""

from __future__ import annotations

import csv
import importlib.util
import io
import os
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from calm_pl.atomic_files import replacing
from calm_pl.cells import guarded, unguarded
from calm_pl.errors import RunError
from calm_pl.metrics.info import METRICS
from calm_pl.voters.settings import CalmSettings

TEXT = (
    "case",
    "method",
    "chosen",
    "fold",
    "score",
    "reliability",
    "weight_map",
    "reliability_split",
    "candidates",
)
COUNTS = (
    *("draw", "shots", "heldout_shots", "n_options", "last_n_tokens", "top_k", "sav_top_k"),
    *("heads", "n_support", "n"),
)
NOT_VARIED = ("select", "sharpness")
"""Settings of CALM without a column: the setting selected by `loo` is always computed along with the grid,
and sharpness changes no prediction."""


def columns() -> tuple[str, ...]:
    """Return the columns in order, with one per metric; a cell that a method does not read is empty."""
    return (
        *("case", "method", "chosen", "fold", "draw"),
        "shots",
        *(one.name for one in fields(CalmSettings) if one.name not in NOT_VARIED),
        *("sav_top_k", "heldout_shots", "n_options", "candidates", "last_n_tokens"),
        *("heads", "n_support", "n", *METRICS.keys(), "hash"),
    )


Row = dict[str, Any]


class SweepTable:
    """`sweep.csv` in a run folder.

    Args:
        folder: the run folder.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "sweep.csv"

    def known(self) -> dict[str, Row]:
        """Return the complete rows by their hash; an incomplete last line is ignored.

        Raises:
            RunError: the file has other columns.
        """
        lines = list(csv.reader(io.StringIO(self._whole().decode("utf-8", "replace"), newline="")))
        if lines and tuple(lines[0]) != columns():
            raise RunError(
                f"{self.path} has other columns than a sweep of this version writes."
                " Move it elsewhere, or choose another run.dir."
            )
        rows = (_parsed(cells) for cells in lines[1:])
        return {row["hash"]: row for row in rows if row is not None}

    def append(self, rows: Sequence[Row]) -> None:
        """Append rows, replacing a last line that was cut off; they are on disk when this returns."""
        if not rows:
            return
        size = len(self._whole())
        with self.path.open("r+b" if self.path.exists() else "wb") as file:
            file.truncate(size)
            file.seek(size)
            file.write(((_line(columns()) if not size else "") + "".join(map(_cells, rows))).encode())
            file.flush()
            os.fsync(file.fileno())

    def finish(self, rows: Sequence[Row]) -> list[Path]:
        """Write all rows in their final order, also as Parquet if pyarrow is installed.

        Returns:
            The files.
        """
        with replacing(self.path) as part:
            part.write_text(_line(columns()) + "".join(map(_cells, rows)), encoding="utf-8", newline="")
        parquet = self.path.with_suffix(".parquet")
        if not can_write_parquet():
            parquet.unlink(missing_ok=True)  # it is from an earlier sweep
            return [self.path]
        import pyarrow
        from pyarrow.parquet import write_table

        schema = pyarrow.schema([(name, _arrow_type(name)) for name in columns()])
        cells = {name: [row[name] for row in rows] for name in columns()}
        with replacing(parquet) as part:
            write_table(pyarrow.table(cells, schema=schema), part)
        return [self.path, parquet]

    def _whole(self) -> bytes:
        """Return the file up to its last complete line."""
        content = self.path.read_bytes() if self.path.exists() else b""
        return content[: content.rfind(b"\n") + 1]


def can_write_parquet() -> bool:
    """Return whether pyarrow is installed."""
    return importlib.util.find_spec("pyarrow") is not None


def _cells(row: Row) -> str:
    return _line(_cell(row[name]) for name in columns())


def _cell(value: Any) -> Any:
    return "" if value is None else guarded(value) if isinstance(value, str) else value


def _line(cells: Any) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def _parsed(cells: list[str]) -> Row | None:
    """Parse a row: numbers as numbers, empty cells as None; None if it is not a valid row."""
    row: Row = {}
    try:
        for name, cell in zip(columns(), cells, strict=True):
            if name in (*TEXT, "hash"):
                row[name] = unguarded(cell) or (None if name not in ("case", "fold") else "")
            else:
                row[name] = None if cell == "" else int(cell) if name in COUNTS else float(cell)
    except ValueError:
        return None
    return row


def _arrow_type(name: str) -> Any:
    import pyarrow

    if name in (*TEXT, "hash"):
        return pyarrow.string()
    return pyarrow.int64() if name in COUNTS else pyarrow.float64()
