"""Settings that all data modules share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Optional, Union

from calm_pl.data.questions.leaks import LEAK_GUARDS
from calm_pl.media import LONG_CLIPS
from calm_pl.validation import Rule, above_zero, at_least, between_zero_and_one, fraction, one_of, setting

CANDIDATES = ("all", "options")
MISSING_FILES = ("auto", "skip", "stop")


def _is_fold(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool) and value > 0)


@dataclass
class VideoSettings:
    """Frames of audio-visual sets: either a number of them or a rate."""

    num_frames: Optional[int] = setting(8, at_least(1))
    """Frames a clip, evenly spaced; null goes by `fps`."""
    fps: Optional[float] = setting(None, above_zero())
    """Frames a second."""
    max_frames: int = setting(64, at_least(1))
    """With `fps`: the most a clip may have."""
    short_side: int = setting(224, at_least(28))
    """Pixels; larger frames are made smaller, smaller ones stay."""


@dataclass
class ColumnSettings:
    """Names of a manifest's or Hugging Face data set's columns; null where one is not to be read."""

    path: Optional[str] = None
    """null finds `path`, `wav`, `audio`, `file`, `filename` or `video`, the first that is there."""
    label: Optional[str] = None
    """null finds `mapped_label`, `correct_label`, `label`, `labels`, `category` or `class`, likewise."""
    split: Optional[str] = "split"
    """Which side a clip is on."""
    fold: Optional[str] = "fold"
    """In place of `split`: folds for cross-validation."""
    group: Optional[str] = "group"
    """Source recording or speaker: clips that share one never stand on both sides."""
    video: Optional[str] = "video"
    """File with the frames; where it is there, the model must see."""
    question: Optional[str] = "question"
    """Asked as it stands, in place of `data.question`; null asks that one."""
    options: Optional[str] = "options"
    """Of `question`; added to it where it does not spell them out."""


@dataclass
class DataSettings:
    """How clips are chosen, asked about, read and batched."""

    root: str = "???"
    """Folder of the data set in its official layout, or `bundled:NAME`. For `manifest` an empty text is the
    manifest's own folder; for `huggingface` a name on the hub will do."""
    shots: Optional[int] = setting(20, at_least(1))
    """Support clips a class; null takes all there are."""
    draws: int = setting(1, at_least(1))
    """Draws of the support, each fitted and evaluated; draw d is that of seed + d."""
    heldout_shots: int = setting(0, at_least(0))
    """Further clips a class that only judge heads, with voter.reliability_split=heldout."""
    seed: int = 0
    """Draws the support clips, and with the clip's id its answer options."""
    fold: Union[int, str, None] = setting(None, Rule("a fold's name or number, `all`, or null", _is_fold))
    """The fold that is the query, or `all` in turn; null is the benchmark's own default."""
    pool_split: Optional[str] = None
    """The split that support clips are drawn from; null is the benchmark's own."""
    query_split: Optional[str] = None
    """The split that is evaluated; null is the benchmark's own."""
    question: Optional[str] = None
    """Asked about each clip, before the options; null is the benchmark's own, an empty text asks nothing."""
    n_options: int = setting(4, at_least(0))
    """Options in the question, the right one among them; 0 asks without options."""
    readable_labels: bool = False
    """Show `washing_machine` as `washing machine`."""
    option_orders: int = setting(1, at_least(1))
    """Orders of the options that zero-shot averages over, each a forward pass of its own."""
    candidates: str = setting("all", one_of(*CANDIDATES))
    """Classes that the voters choose from: all, or those among the question's options."""
    batch_size: int = setting(8, at_least(1))
    """Clips a forward pass on each rank; halved where they do not fit into memory."""
    batch_seconds: Optional[float] = setting(None, above_zero())
    """The most sound a batch, padding included, in seconds; null goes by `batch_size` alone."""
    num_workers: int = setting(2, at_least(0))
    """Processes that decode audio on each rank."""
    long_clips: str = setting("start", one_of(*LONG_CLIPS))
    """What is heard of a clip over the model's window; `windows` averages several, `stop` refuses it."""
    decode_seconds: float = setting(60.0, above_zero())
    """A file that takes longer to decode is a bad clip."""
    on_bad_clip: str = setting("stop", one_of("stop", "skip"))
    """What happens at a clip that cannot be read."""
    max_skipped_fraction: float = setting(0.01, fraction())
    """With `skip`: the share of clips, in support or query, past which the job stops."""
    on_missing: str = setting("auto", one_of(*MISSING_FILES))
    """Clips that are listed but not on disk: `skip` reports them, `stop` refuses; `auto` skips in the public
    sets, which lose clips over time, and stops in your own."""
    leak_guard: str = setting("content", one_of(*LEAK_GUARDS))
    """Refuse support and query clips that share a recording: by `content` too, or by `names` alone; `none`
    does not look."""
    manifest: Optional[str] = None
    """For `manifest`: the list of clips (CSV, TSV, JSON, JSONL); paths in it are below `root`."""
    query_manifest: Optional[str] = None
    """For `manifest`: a second list, of the query; the first is then the support pool."""
    allow_outside: bool = False
    """For `manifest`: let its paths lead out of `root`."""
    query_fraction: float = setting(0.5, between_zero_and_one())
    """For your own data without a division: the share of each class that becomes the query."""
    cache_dir: Optional[str] = None
    """For `huggingface`: where clips are written as files; null is `calm_pl` in the user's cache folder."""
    columns: ColumnSettings = field(default_factory=ColumnSettings)
    video: VideoSettings = field(default_factory=VideoSettings)
