"""Settings of a task that is learned from clips and their answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from calm_pl.validation import above_zero, at_least, one_of, setting


@dataclass
class TextSettings:
    """A task as clips and their answers."""

    manifest: str = "???"
    """List of the clips to train on: CSV, TSV, JSON or JSONL, with the columns of a path and of a text."""
    val_manifest: Optional[str] = None
    """List of the clips to validate on; null takes the rows of `manifest` whose split is `validation`."""
    root: Optional[str] = None
    """The folder that paths are below; null is that of each list."""
    allow_outside: bool = False
    """Let paths lead out of `root`."""
    path_column: Optional[str] = None
    """null finds `path`, `wav`, `audio`, `file`, `filename` or `video`."""
    text_column: Optional[str] = None
    """null finds `text`, `target`, `answer`, `transcript`, `sentence` or `label`."""
    split_column: str = "split"
    """Rows of other splits than `train` and `validation` are left out; without it all are trained on."""
    question: str = ""
    """Text beside the clip in the prompt; a mask is there to do without."""
    batch_size: int = setting(8, at_least(1))
    """Clips a step on each rank."""
    num_workers: int = setting(2, at_least(0))
    """Processes that decode audio on each rank."""
    long_clips: str = setting("start", one_of("start", "center", "stop"))
    """What is heard of a clip over the model's window; `stop` refuses it."""
    decode_seconds: float = setting(60.0, above_zero())
    """A file that takes longer to decode is a bad clip."""
