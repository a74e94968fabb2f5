"""Pooling of the audio tower's states, by hand."""

import pytest
import torch

from calm_pl.errors import ModelError
from calm_pl.models.tower import pooled_tower

STATES = torch.tensor([[1.0, 0.0], [3.0, 4.0], [5.0, 1.0], [7.0, 7.0]])


def test_all_states_in_turn():
    pooled = pooled_tower([STATES[:1], STATES[1:]], [2, 2])
    assert pooled.tolist() == [[[2, 2], [1, 2]], [[6, 4], [1, 3]]]


def test_padding_follows_the_states_of_each_clip():
    padded = torch.stack([STATES, STATES.flip(0)])
    pooled = pooled_tower([padded], [2, 1])
    assert pooled.tolist() == [[[2, 2], [1, 2]], [[7, 7], [0, 0]]]  # a single state does not deviate


def test_a_clip_may_have_several_windows_of_which_the_last_is_padded():
    windows = torch.stack([STATES[:2], STATES[2:], STATES[:2]])
    pooled = pooled_tower([windows], [3, 2])
    torch.testing.assert_close(pooled[0, 0], STATES[:3].mean(0))
    torch.testing.assert_close(pooled[0, 1], STATES[:3].std(0, unbiased=False))
    assert pooled[1].tolist() == [[2, 2], [1, 2]]


def test_clips_that_come_alone_count_whole():
    pooled = pooled_tower([STATES[None, :2], STATES[None]], [7, 7], is_alone=True)
    assert pooled[0].tolist() == [[2, 2], [1, 2]]
    torch.testing.assert_close(pooled[1, 0], STATES.mean(0))


@pytest.mark.parametrize(
    ("seen", "tokens"),
    [([STATES], [1, 2]), ([STATES[None]], [4, 4]), ([STATES[None], STATES[None]], [3])],
)
def test_states_that_do_not_fit_the_prompts_are_refused(seen, tokens):
    with pytest.raises(ModelError, match="do not fit"):
        pooled_tower(seen, tokens)


def test_half_precision_is_pooled_in_float32():
    states = torch.full((1000, 1), 1000.0, dtype=torch.bfloat16)
    assert pooled_tower([states], [1000]).tolist() == [[[1000.0], [0.0]]]
