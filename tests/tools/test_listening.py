"""Tokens that the tower made once, and questions about them."""

from __future__ import annotations

import numpy as np
import torch

from tiny_lalm.listening import Bank, draw_heard


class Echo:
    """Stands in for the questioner: hands back what it is asked about."""

    def batch(
        self, rng: np.random.Generator, targets: np.ndarray, counts: np.ndarray, open_share: float
    ) -> tuple[np.ndarray, np.ndarray]:
        return targets, counts


def bank(first: int) -> Bank:
    """Three clips of 1, 3 and 2 tokens; every token holds its clip's class."""
    counts = torch.tensor([1, 3, 2])
    classes = torch.tensor([first, first + 1, first + 2])
    tokens = classes.repeat_interleave(counts)[:, None].expand(-1, 4).float()
    return Bank(tokens, counts.cumsum(0) - counts, counts, classes)


def test_means_are_over_each_clips_own_tokens() -> None:
    one = bank(5)
    noisy = one._replace(tokens=one.tokens + torch.tensor([0.0, -1, 0, 1, 2, -2])[:, None])
    torch.testing.assert_close(noisy.means()[:, 0], torch.tensor([5.0, 6, 7]))


def test_questions_stand_beside_the_tokens_of_their_clips() -> None:
    asked, audio = draw_heard(Echo(), [bank(0), bank(10)], [0.0, 1.0], np.random.default_rng(0), 20)  # type: ignore[arg-type]
    classes, counts = asked
    assert set(classes) == {10, 11, 12}
    np.testing.assert_array_equal(np.repeat(classes, counts), audio[:, 0].numpy())
