"""Settings of a task given as clips and their answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from calm_pl.validation import above_zero, at_least, one_of, setting


@dataclass
class TextSettings:
    """A task as clips and their answers."""

    manifest: str = "???"
    """Manifest of the training clips: CSV, TSV, JSON or JSONL, with a column of paths and one of texts."""
    val_manifest: Optional[str] = None
    """Manifest of the validation clips; null uses the rows of `manifest` whose split is `validation`."""
    root: Optional[str] = None
    """The folder that paths are relative to; null uses each manifest's folder."""
    allow_outside: bool = False
    """Allow paths outside `root`."""
    path_column: Optional[str] = None
    """null uses the first of `path`, `wav`, `audio`, `file`, `filename` and `video` that exists."""
    text_column: Optional[str] = None
    """null uses the first of `text`, `target`, `answer`, `transcript`, `sentence` and `label` that exists."""
    split_column: str = "split"
    """Rows with splits other than `train` and `validation` are ignored; without this column all rows are for
    training."""
    question: str = ""
    """Text in the prompt besides the clip; normally empty, since a mask replaces it."""
    batch_size: int = setting(8, at_least(1))
    """Clips per step on each rank."""
    num_workers: int = setting(2, at_least(0))
    """Processes that decode audio on each rank."""
    long_clips: str = setting("start", one_of("start", "center", "stop"))
    """Part of a clip longer than the model's window to use; `stop` refuses it."""
    decode_seconds: float = setting(60.0, above_zero())
    """A file that takes longer to decode counts as unreadable."""
