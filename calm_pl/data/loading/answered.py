"""Find the questions whose sampled answers are already stored."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from calm_pl.bank import AnswerStore, canonical
from calm_pl.data.questions.clips import Query
from calm_pl.distributed import concatenate_over_ranks


class AnswerLink:
    """A store of answers, with what its keys depend on.

    Args:
        folder: below which each way of sampling has a folder.
        sampling: what answers depend on beside clip, prompt and model; JSON values.
        identity: of the model.
    """

    def __init__(self, folder: Path, sampling: Mapping[str, Any], identity: Mapping[str, Any]) -> None:
        self._sampling = canonical(["sampled", 1, sampling, identity])
        self.store = AnswerStore(folder / hashlib.sha256(self._sampling.encode()).hexdigest()[:32])

    def key(self, query: Query, bank_key: str) -> str:
        """Return the key of a question's answers: the bank's key and the clip's id, which seeds the noise."""
        return hashlib.sha256(canonical([self._sampling, bank_key, noise_name(query)]).encode()).hexdigest()

    def present(self, queries: Sequence[Query], bank_keys: Sequence[str]) -> frozenset[int]:
        """Return positions of questions with stored answers, the same on every rank. Every rank must call it.

        Args:
            queries: the questions.
            bank_keys: of each, as `look_up` gives them.
        """
        self.store.refresh()
        here = [
            n
            for n, (query, key) in enumerate(zip(queries, bank_keys, strict=True))
            if key and self.key(query, key) in self.store
        ]
        # Another job may be writing: what not every rank sees yet is sampled.
        return frozenset.intersection(*map(frozenset, concatenate_over_ranks([here])))


def noise_name(query: Query) -> list[str]:
    """Return what identifies a question's noise: its clip and, if a clip has several questions, its words."""
    clip = query.clip
    return [clip.id] if len(clip.labels) < 2 else [clip.id, query.question]
