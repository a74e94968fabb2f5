"""Rollouts: the temperature and noise of each, and the store of their answers."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from calm_pl.data.loading.answered import AnswerLink, noise_name
from calm_pl.data.loading.batches import Batch
from calm_pl.data.questions.clips import Query
from calm_pl.data.questions.draws import stable_number
from calm_pl.data.questions.prompts import LETTERS
from calm_pl.functional import NO_ANSWER
from calm_pl.models.answers import parse_answer
from calm_pl.models.rollouts import Draws
from calm_pl.pseudo.settings import PseudoSettings


class RolloutSampler:
    """Sampler of rollouts that depend only on seed, clip and rollout, not on batch, order or ranks.

    Args:
        settings: how to sample.
        queries: questions by position.
        link: store of answers; None stores none.
    """

    def __init__(
        self, settings: PseudoSettings, queries: Sequence[Query], link: AnswerLink | None = None
    ) -> None:
        self.settings = settings
        self.queries = queries
        self.link = link

    def draws(self, positions_R: Sequence[int]) -> Draws:
        """Return temperatures and noise of R rows.

        Args:
            positions_R: the question of each row; a clip's windows are consecutive rows, in order.
        """
        s = self.settings
        seen: dict[int, int] = {}
        temperatures, seeds = [], []
        for position in positions_R:
            window = seen[position] = seen.get(position, -1) + 1
            name = [*noise_name(self.queries[position]), window]
            numbers = [
                [stable_number(s.seed, what, *name, m) for m in range(s.rollouts)]
                for what in ("temperature", "tokens")
            ]
            span = s.temperature_high - s.temperature_low
            temperatures.append([s.temperature_low + span * number / 2**64 for number in numbers[0]])
            # Seeds of 2^63 and above become negative: torch has no unsigned arithmetic.
            seeds.append([number - 2**63 for number in numbers[1]])
        return Draws(torch.tensor(temperatures), torch.tensor(seeds), s.top_p, s.max_new_tokens)

    def keep(self, batch: Batch, answers: Sequence[Sequence[str]]) -> None:
        """Store the answers of a decoded batch, if there is a store.

        Raises:
            RunError: the disk is full or cannot be written.
        """
        if self.link is not None:
            self.link.store.append(dict(zip(self._keys(self.link, batch), answers, strict=True)))

    def kept(self, batch: Batch) -> list[list[str]]:
        """Return the stored answers of a cached batch."""
        assert self.link is not None
        return [self.link.store[key] for key in self._keys(self.link, batch)]

    def _keys(self, link: AnswerLink, batch: Batch) -> list[str]:
        positions = batch.index_N.tolist()
        return [link.key(self.queries[n], key) for n, key in zip(positions, batch.keys, strict=True)]


def sampling_settings(settings: PseudoSettings) -> dict[str, object]:
    """Return the settings that an answer depends on."""
    names = ("rollouts", "temperature_low", "temperature_high", "top_p", "seed", "max_new_tokens")
    return {name: getattr(settings, name) for name in names}


def ballot(said: Sequence[str], query: Query, shown: Sequence[str]) -> list[int]:
    """Return the class that each answer names; -1 if it names no option, or several.

    Args:
        said: answers to the question.
        query: the question.
        shown: labels as the model reads them, in class order.
    """
    letters, labels = LETTERS[: len(query.options)], [shown[c] for c in query.options]
    choices = [parse_answer(text, letters, labels) for text in said]
    return [NO_ANSWER if choice is None else query.options[choice] for choice in choices]
