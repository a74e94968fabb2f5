"""Settings that only your own clips have: a folder, a manifest, a Hugging Face data set."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Optional

from calm_pl.validation import Rule, at_least, between_zero_and_one, setting


def _is_pattern(text: str) -> bool:
    try:
        return text == "auto" or re.compile(text).groups > 0
    except re.error:
        return False


_PATTERN = Rule("auto, or a regular expression with a group in parentheses", _is_pattern)


@dataclass
class ColumnSettings:
    """Column names of a manifest or a Hugging Face data set; null ignores the column."""

    path: Optional[str] = None
    """null takes the first of `path`, `wav`, `audio`, `file`, `filename` and `video` that exists."""
    label: Optional[str] = None
    """null takes the first of `mapped_label`, `correct_label`, `label`, `labels`, `category` and `class`."""
    split: Optional[str] = "split"
    """The split a clip belongs to."""
    fold: Optional[str] = "fold"
    """Instead of `split`: folds for cross-validation."""
    group: Optional[str] = "group"
    """Source recording or speaker: clips that share one are never in both support and query."""
    video: Optional[str] = "video"
    """File with the frames; if it is given, the model must support video."""
    question: Optional[str] = "question"
    """Question of a single clip, used verbatim instead of `data.question`; null ignores the column."""
    options: Optional[str] = "options"
    """Options of `question`; appended to it unless it already lists them."""


@dataclass
class OwnDataSettings:
    """How lists and folders of your own are read."""

    manifest: Optional[str] = None
    """For `manifest`: the list of clips (CSV, TSV, JSON, JSONL); paths in it are below `root`."""
    query_manifest: Optional[str] = None
    """For `manifest`: a second list, for the query; the first is then the support pool."""
    path_prefix: Optional[str] = None
    """For `manifest`: `OLD=NEW`, the beginning of paths written on another machine and what it is here."""
    label_separator: Optional[str] = None
    """For your own lists: what separates the labels of one field; null separates at `|`, and in a column
    `labels` at commas."""
    allow_outside: bool = False
    """For `manifest`: allow paths outside `root`."""
    query_fraction: float = setting(0.5, between_zero_and_one())
    """For your own data without splits: the share of each class that becomes the query set."""
    cv_folds: Optional[int] = setting(None, at_least(2))
    """For your own data without splits: cross-validation over so many folds (or the list's own), so that
    every clip is evaluated once; clips of one group stay together. null divides once, by `query_fraction`."""
    group_pattern: Optional[str] = setting(None, _PATTERN)
    """For your own data: guess the source recording of clips without a group from their file names: `auto`
    (the name up to its last `-`, `_`, dot or blank), or a regular expression, whose first group is it."""
    cache_dir: Optional[str] = None
    """For `huggingface`: where clips are written as files; null is `calm_pl` in your cache folder."""
    columns: ColumnSettings = field(default_factory=ColumnSettings)
