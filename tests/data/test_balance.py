"""The sampler: every clip exactly once, in the batches of one process, on any number of ranks."""

import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from calm_pl.data.sampler import ExactlyOnceBatches


def ranks(num_clips: int, batch_size: int, world_size: int) -> list[list[list[int]]]:
    """Batches by rank."""
    return [list(ExactlyOnceBatches(num_clips, batch_size, r, world_size)) for r in range(world_size)]


shapes = given(num_clips=st.integers(0, 300), batch_size=st.integers(1, 40), world_size=st.integers(1, 17))
modest = settings(max_examples=150, deadline=None, database=None)


@shapes
@modest
@example(num_clips=11, batch_size=1, world_size=2)
@example(num_clips=3, batch_size=4, world_size=8)
def test_every_clip_comes_exactly_once(num_clips, batch_size, world_size):
    seen = [i for batches in ranks(num_clips, batch_size, world_size) for batch in batches for i in batch]
    assert sorted(seen) == list(range(num_clips))


@shapes
@modest
def test_every_rank_makes_the_same_number_of_batches(num_clips, batch_size, world_size):
    # A rank that stops early leaves the others waiting for it for ever.
    counts = {len(batches) for batches in ranks(num_clips, batch_size, world_size)}
    samplers = [ExactlyOnceBatches(num_clips, batch_size, r, world_size) for r in range(world_size)]
    assert (
        counts == {len(sampler) for sampler in samplers} == {math.ceil(num_clips / batch_size / world_size)}
    )


@shapes
@modest
def test_batches_are_those_of_one_process(num_clips, batch_size, world_size):
    # The same companions on any number of ranks: the same padding, and so the same rounding.
    (alone,) = ranks(num_clips, batch_size, 1)
    together = [batch for batches in ranks(num_clips, batch_size, world_size) for batch in batches if batch]
    assert sorted(together) == alone


@shapes
@modest
def test_no_batch_is_too_large_and_work_is_even(num_clips, batch_size, world_size):
    by_rank = ranks(num_clips, batch_size, world_size)
    assert all(len(batch) <= batch_size for batches in by_rank for batch in batches)
    busy = [sum(1 for batch in batches if batch) for batches in by_rank]
    assert max(busy) - min(busy) <= 1


def test_more_ranks_than_clips():
    assert ranks(2, 1, 4) == [[[0]], [[1]], [[]], [[]]]


def test_batches_are_dealt_out_in_turn():
    assert ranks(7, 2, 2) == [[[0, 1], [4, 5]], [[2, 3], [6]]]


def test_walking_twice_gives_the_same():
    sampler = ExactlyOnceBatches(10, 3, 1, 2)
    assert list(sampler) == list(sampler)


@pytest.mark.parametrize("world_size", [1, 3])
def test_no_clips(world_size):
    assert ranks(0, 4, world_size) == [[] for _ in range(world_size)]
