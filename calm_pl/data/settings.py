"""Settings that all data modules share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from calm_pl.media import LONG_CLIPS
from calm_pl.rules import at_least, fraction, one_of, setting


@dataclass
class DataSettings:
    """How clips are chosen, asked about, read and batched."""

    root: str = "???"
    """Folder of the data set in its official layout, or `bundled:NAME`."""
    shots: Optional[int] = setting(20, at_least(1))
    """Support clips a class; null takes all there are."""
    seed: int = 0
    """Draws the support clips, and with the clip's id its answer options."""
    fold: Optional[int] = setting(None, at_least(1))
    """The fold that is the query; null is the benchmark's own default."""
    question: Optional[str] = None
    """Asked about each clip, before the options; null is the benchmark's own."""
    n_options: int = setting(4, at_least(0))
    """Options in the question, the right one among them; 0 asks without options."""
    readable_labels: bool = False
    """Show `washing_machine` as `washing machine`."""
    batch_size: int = setting(8, at_least(1))
    """Clips a forward pass on each rank."""
    num_workers: int = setting(2, at_least(0))
    """Processes that decode audio on each rank."""
    long_clips: str = setting("start", one_of(*LONG_CLIPS))
    """What is kept of a clip over the model's window; `stop` refuses it."""
    on_bad_clip: str = setting("stop", one_of("stop", "skip"))
    """What happens at a clip that cannot be read."""
    max_skipped_fraction: float = setting(0.01, fraction())
    """With `skip`: the share of clips, in support or query, past which the job stops."""
