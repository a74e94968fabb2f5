"""Counts of a split's clips: read, truncated, odd, failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch

from calm_pl.data.loading.batches import Batch, Failure
from calm_pl.distributed import concatenate_over_ranks, sum_over_ranks
from calm_pl.errors import BadClipError, DataError, RunError


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
    """Counts of a split's questions, over all ranks.

    Attributes:
        used: questions that counted.
        failures: those whose clip could not be read, in the order of the data set.
        num_cut: those whose clip was longer than the model's window.
        odd: those of whose clip little is heard, in the order of the data set.
        num_unjudged: those whose clip was cached by a version that did not look for odd sound.
    """

    used: int
    failures: list[Failure]
    num_cut: int
    odd: list[Odd]
    num_unjudged: int


class Account:
    """Counter of what a rank reads, which stops the job when the policy says so.

    Args:
        expected: questions of the split, over all ranks.
        policy: for clips that cannot be read.
    """

    def __init__(self, expected: int, policy: SkipPolicy) -> None:
        self.expected = expected
        self.policy = policy
        self.used = 0
        self.num_cut = 0
        self.num_unjudged = 0
        self.odd: list[Odd] = []
        self.failures: list[Failure] = []

    def add(self, batch: Batch) -> None:
        """Count a batch.

        Raises:
            BadClipError: a clip could not be read, and none may fail.
            DataError: more failed than may.
        """
        self.used += len(batch.index_N)
        self.failures += batch.failures
        if not self.failures:
            return
        if not self.policy.skip:
            raise BadClipError(
                f"{self.failures[0].reason} (data.on_bad_clip=skip continues without such clips.)"
            )
        self._refuse_too_many(self.failures)

    def add_notes(self, positions: Sequence[int], notes: Sequence[Mapping[str, Any]]) -> None:
        """Count what is noted about a batch's clips once they are encoded; see `Batch.notes`."""
        for position, note in zip(positions, notes, strict=True):
            self.num_cut += bool(note["was_cut"])
            self.num_unjudged += "odd" not in note
            if kinds := note.get("odd"):
                self.odd.append(Odd(position, tuple(kinds)))

    def over_ranks(self, device: torch.device) -> Coverage:
        """Combine the counts of all ranks; every rank must call it.

        Raises:
            RunError: a question came twice or never.
        """
        counts = torch.tensor([self.used, self.num_cut, self.num_unjudged], device=device)
        used, num_cut, num_unjudged = (int(n) for n in sum_over_ranks(counts))
        failures = sorted(concatenate_over_ranks(self.failures))
        odd = sorted(concatenate_over_ranks(self.odd))
        if failures:
            self._refuse_too_many(failures)
        if used + len(failures) != self.expected:
            raise RunError(
                f"{used} clips were read and {len(failures)} failed, but the split has {self.expected}:"
                " each clip must come exactly once."
            )
        return Coverage(used, failures, num_cut, odd, num_unjudged)

    def _refuse_too_many(self, failures: list[Failure]) -> None:
        if len(failures) > self.policy.max_fraction * self.expected:
            raise DataError(
                f"{len(failures)} of {self.expected} clips could not be read, more than"
                f" data.max_skipped_fraction={self.policy.max_fraction:g} allows. The first:"
                f" {failures[0].reason}"
            )
