"""Counts of a split's clips: read, truncated, odd, failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch

from calm_pl.data.loading.batches import Batch, Failure
from calm_pl.data.questions.clips import Query
from calm_pl.data.questions.counting import clip_ids
from calm_pl.distributed import concatenate_over_ranks, sum_over_ranks
from calm_pl.errors import BadClipError, DataError, RunError
from calm_pl.media import ODD_SOUND


class SkipPolicy(NamedTuple):
    """What to do about clips that cannot be read.

    Attributes:
        skip: go on without them; else the first one stops the job.
        max_fraction: share of a split past which the job stops all the same.
    """

    skip: bool = False
    max_fraction: float = 0.0


STOP = SkipPolicy()


class Odd(NamedTuple):
    """A clip of which little is heard.

    Attributes:
        position: its place in the data set.
        kinds: of `calm_pl.media.ODD_SOUND`.
    """

    position: int
    kinds: tuple[str, ...]


class Coverage(NamedTuple):
    """What became of a split's questions, over all ranks. A clip may be asked several: count by its id.

    Attributes:
        used: number of questions that counted.
        failures: those whose clip could not be read, in the order of the data set.
        cut: positions of those whose clip was longer than the model's window.
        odd: those of whose clip little is heard, in the order of the data set.
        unjudged: positions of those whose clip was cached by a version that did not look for odd sound.
    """

    used: int
    failures: list[Failure]
    cut: list[int]
    odd: list[Odd]
    unjudged: list[int]


class Account:
    """Counter of what a rank reads, which stops the job when the policy says so.

    Args:
        questions: of the split, over all ranks.
        policy: for clips that cannot be read.
    """

    def __init__(self, questions: Sequence[Query], policy: SkipPolicy) -> None:
        self.questions = questions
        self.policy = policy
        self.used = 0
        self.cut: list[int] = []
        self.unjudged: list[int] = []
        self.odd: list[Odd] = []
        self.failures: list[Failure] = []

    def add(self, batch: Batch) -> None:
        """Count a batch.

        Raises:
            BadClipError: a clip could not be read, and none may fail.
            DataError: more failed than may.
        """
        self.used += len(batch.index_N)
        self._fail(batch.failures)

    def lose(self, failures: Sequence[Failure]) -> None:
        """Count clips of an added batch as failures after all, because the model gave no finite vectors.

        Raises:
            BadClipError, DataError: as `add`.
        """
        self.used -= len(failures)
        self._fail(failures)

    def _fail(self, failures: Sequence[Failure]) -> None:
        self.failures += failures
        if not self.failures:
            return
        if not self.policy.skip:
            raise BadClipError(
                f"{self.failures[0].reason} (data.on_bad_clip=skip continues without such clips.)"
            )
        self._refuse_too_many(self.failures)

    def add_notes(self, positions: Sequence[int], notes: Sequence[Mapping[str, Any]]) -> None:
        """Count what is noted about a batch's clips once they are encoded; see `Batch.notes`.

        Batches of a user's own loader may have no notes.
        """
        if not notes:
            return
        for position, note in zip(positions, notes, strict=True):
            if note.get("was_cut"):
                self.cut.append(position)
            if "odd" not in note:
                self.unjudged.append(position)
            if kinds := note.get("odd"):
                # A bank may be crafted: only what there is a word for.
                known = tuple(kind for kind in ODD_SOUND if kind in kinds)
                self.odd.append(Odd(position, known))

    def over_ranks(self, device: torch.device) -> Coverage:
        """Combine the counts of all ranks; every rank must call it.

        Raises:
            RunError: a question came twice or never.
        """
        used = int(sum_over_ranks(torch.tensor([self.used], device=device)))
        failures, odd, cut, unjudged = (
            sorted(concatenate_over_ranks(one)) for one in (self.failures, self.odd, self.cut, self.unjudged)
        )
        if failures:
            self._refuse_too_many(failures)
        if used + len(failures) != len(self.questions):
            raise RunError(
                f"{used} questions were answered and the clips of {len(failures)} could not be read, but the"
                f" split has {len(self.questions)}: each question must come exactly once."
            )
        return Coverage(used, failures, cut, odd, unjudged)

    def _refuse_too_many(self, failures: list[Failure]) -> None:
        failed = clip_ids(self.questions, (failure.position for failure in failures))
        total = len(clip_ids(self.questions))
        if len(failed) > self.policy.max_fraction * total:
            raise DataError(
                f"{len(failed)} of {total} clips could not be read, more than"
                f" data.max_skipped_fraction={self.policy.max_fraction:g} allows. The first:"
                f" {failures[0].reason}"
            )
