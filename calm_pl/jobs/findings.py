"""What checks before a job are given, and what they answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from calm_pl.config.schema import Config
from calm_pl.jobs import forecast

if TYPE_CHECKING:
    from calm_pl.data.loading.base import FewShotDataModule
    from calm_pl.models import FrozenLALM
    from calm_pl.models.preparer import Preparer


class Finding(NamedTuple):
    """One line of the checklist.

    Attributes:
        good: whether the check passed; None where it only tells.
        text: what was found, and what to do.
        unmade: the check could not be made, so that nobody knows whether the job can run.
    """

    good: bool | None
    text: str
    unmade: bool = False


@dataclass
class Patient:
    """What is examined.

    Attributes:
        config: the job.
        data: its data module, once its clips could be listed.
        all_clips: decode every clip, not only some.
        ranks: number of processes, once the devices are known.
        model: the loaded model.
        fresh: number of questions to encode, once it is known.
        fits: whether the model fits into memory, as far as it is known.
    """

    config: Config
    data: FewShotDataModule | None = None
    all_clips: bool = False
    ranks: int = 1
    model: FrozenLALM | None = None
    fresh: int | None = None
    fits: bool = True

    @property
    def preparer(self) -> Preparer | None:
        """The model's preparer, loaded alone where the model is not; None if its files are not here."""
        if self.model is not None:
            return self.model.preparer
        return forecast.preparer_here(self.config.model)

    @property
    def is_ready(self) -> bool:
        """Whether support and query were drawn."""
        return self.data is not None and bool(self.data.classes)


def few(names: Sequence[str]) -> str:
    """Return the first five, and how many more there are."""
    more = f" and {len(names) - 5:,} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
