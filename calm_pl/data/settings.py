"""Settings of all benchmarks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Optional, Union

from calm_pl.data.own.settings import OwnDataSettings
from calm_pl.data.questions.leaks import LEAK_GUARDS
from calm_pl.media import LONG_CLIPS
from calm_pl.validation import Rule, above_zero, at_least, fraction, one_of, setting

CANDIDATES = ("all", "options")
MISSING_FILES = ("auto", "skip", "stop")
AUTO = "auto"
_USUAL_BATCH = 8


def _is_fold(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool) and value > 0)


def _is_batch_size(value: Any) -> bool:
    return value == AUTO or (isinstance(value, int) and not isinstance(value, bool) and value > 0)


@dataclass
class VideoSettings:
    """Frames of audio-visual sets: either a number of them or a rate."""

    num_frames: Optional[int] = setting(8, at_least(1))
    """Frames per clip, evenly spaced; null uses `fps`."""
    fps: Optional[float] = setting(None, above_zero())
    """Frames per second."""
    max_frames: int = setting(64, at_least(1))
    """With `fps`: the maximum number of frames per clip."""
    short_side: int = setting(224, at_least(28))
    """Pixels; larger frames are scaled down, smaller ones are left unchanged."""


@dataclass
class SharedSettings:
    """What every benchmark reads: how clips are selected, asked about, read and batched."""

    root: str = "???"
    """Folder of the data set in its official layout, or `bundled:NAME`. For `manifest` an empty string is the
    manifest's own folder; for `huggingface` a name on the hub is accepted."""
    shots: Optional[int] = setting(20, at_least(1))
    """Support clips per class; null takes all."""
    limit: Optional[int] = setting(None, at_least(4))
    """For a quick try: at most so many clips in the support pool and in the query, equally many per class; of
    more classes than half the limit some are left out. Such a run is marked: its numbers are no result."""
    draws: int = setting(1, at_least(1))
    """Number of support draws, each fitted and evaluated; draw d uses seed + d."""
    heldout_shots: int = setting(0, at_least(0))
    """Further clips per class used only for reliabilities, with voter.reliability_split=heldout."""
    seed: int = 0
    """Seed for drawing the support clips and, with a clip's id, its options."""
    fold: Union[int, str, None] = setting(None, Rule("a fold's name or number, `all`, or null", _is_fold))
    """The fold used as query set, or `all` for each in turn; null is the benchmark's default."""
    pool_split: Optional[str] = None
    """The split that support clips are drawn from; null is the benchmark's default."""
    query_split: Optional[str] = None
    """The split that is evaluated; null is the benchmark's default."""
    question: Optional[str] = None
    """Question about each clip, before the options; null is the benchmark's, an empty string asks nothing."""
    n_options: int = setting(4, at_least(0))
    """Number of options in the question, including the correct one; 0 asks without options."""
    readable_labels: bool = False
    """Show `washing_machine` as `washing machine`."""
    option_orders: int = setting(1, at_least(1))
    """Number of option orders that zero-shot averages over, each a forward pass."""
    candidates: str = setting("all", one_of(*CANDIDATES))
    """Classes that the voters choose from: all, or only the question's options."""
    batch_size: Union[int, str] = setting(AUTO, Rule("1 or more, or auto", _is_batch_size))
    """Clips per forward pass on each rank; halved if they do not fit into memory. `auto` takes 8, and on an
    NVIDIA GPU the largest power of two up to 64 that should fit beside the model."""
    batch_seconds: Optional[float] = setting(None, above_zero())
    """Maximum audio per batch in seconds, padding included; null uses `batch_size` only."""
    num_workers: Optional[int] = setting(None, at_least(0))
    """Processes that decode clips on each rank; null takes 2 to 4, with pictures up to 8, by the cores that a
    rank has."""
    long_clips: str = setting("start", one_of(*LONG_CLIPS))
    """Part of a clip longer than the model's window to use; `windows` averages several, `stop` refuses it."""
    decode_seconds: float = setting(60.0, above_zero())
    """A file that takes longer to decode counts as unreadable."""
    on_bad_clip: str = setting("stop", one_of("stop", "skip"))
    """What to do about a clip that cannot be read."""
    max_skipped_fraction: float = setting(0.01, fraction())
    """With `skip`: the share of skipped clips, in support or query, above which the job stops."""
    on_missing: str = setting("auto", one_of(*MISSING_FILES))
    """Clips that are listed but not on disk: `skip` reports them, `stop` stops the job; `auto` skips in
    public data sets, which lose clips over time, and stops in your own."""
    leak_guard: str = setting("content", one_of(*LEAK_GUARDS))
    """Refuse support and query clips that share a recording: by `names` only, or also by `content`; `none`
    does not check."""
    video: VideoSettings = field(default_factory=VideoSettings)


@dataclass
class DataSettings(OwnDataSettings, SharedSettings):
    """Settings of all benchmarks; a dataclass lists the fields of its last base first."""


def usual_batch(settings: SharedSettings) -> int:
    """Return the configured number of clips per forward pass; 8 where it is left open."""
    return _USUAL_BATCH if settings.batch_size == AUTO else int(settings.batch_size)
