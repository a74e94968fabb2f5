"""Which clips share a batch, and which rank takes it: every clip once, ranks done together."""

import itertools
import math
import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from calm_pl.data.loading.balance import DealtBatches, batches_by_length, heard_seconds
from calm_pl.data.loading.batches import MediaRule

pytest_plugins = ["tiny_data_sets"]

modest = settings(max_examples=100, deadline=None, database=None)
lengths = st.lists(st.sampled_from([0.2, 0.5, 1.0, 2.0, 3.5, 5.0, 10.0, 30.0]), max_size=80)
limits = given(
    seconds=lengths, max_clips=st.integers(1, 12), max_seconds=st.none() | st.sampled_from([1.0, 7.0, 40.0])
)


@pytest.mark.parametrize(
    ("seconds", "max_clips", "max_seconds", "expected"),
    [
        ([1, 3, 2, 3, 1], 2, None, [[1, 3], [2, 0], [4]]),
        ([5, 5, 5], 2, None, [[0, 1], [2]]),  # equal lengths keep their order
        ([1, 10, 4, 4, 1], 8, 12, [[1], [2, 3, 0], [4]]),  # 3 x 4 s is the most; the last would make 16
        ([1, 10, 4, 4, 1], 8, 16, [[1], [2, 3, 0, 4]]),  # padded to 4 s each
        ([30, 2, 2], 8, 10, [[0], [1, 2]]),  # longer by itself: a batch of its own
        ([2, 2, 2], 8, 4, [[0, 1], [2]]),  # just the limit is within
        ([], 3, 5, []),
    ],
)
def test_batches_by_hand(seconds, max_clips, max_seconds, expected):
    assert batches_by_length(seconds, max_clips, max_seconds) == expected


@limits
@modest
def test_every_clip_once_within_the_limits_and_longest_first(seconds, max_clips, max_seconds):
    batches = batches_by_length(seconds, max_clips, max_seconds)
    flat = [n for batch in batches for n in batch]
    assert sorted(flat) == list(range(len(seconds)))
    assert [seconds[n] for n in flat] == sorted(seconds, reverse=True)
    for batch in batches:
        assert 1 <= len(batch) <= max_clips
        if max_seconds is not None and len(batch) > 1:
            assert len(batch) * max(seconds[n] for n in batch) <= max_seconds
    for batch, after in itertools.pairwise(batches):  # none could have taken the next clip
        one_more = (len(batch) + 1) * seconds[batch[0]]
        assert len(batch) == max_clips or (max_seconds is not None and one_more > max_seconds), after


@limits
@modest
def test_the_order_of_the_data_set_does_not_matter(seconds, max_clips, max_seconds):
    order = list(range(len(seconds)))
    random.Random(len(seconds)).shuffle(order)
    turned = [seconds[n] for n in order]

    def shapes(values):
        return [[values[n] for n in batch] for batch in batches_by_length(values, max_clips, max_seconds)]

    assert shapes(turned) == shapes(seconds)
    if len(set(seconds)) == len(seconds):
        back = [[order[n] for n in batch] for batch in batches_by_length(turned, max_clips, max_seconds)]
        assert back == batches_by_length(seconds, max_clips, max_seconds)


def ranks(batches, world_size):
    """Batches by rank."""
    return [list(DealtBatches(batches, rank, world_size)) for rank in range(world_size)]


dealt = given(num_batches=st.integers(0, 120), world_size=st.integers(1, 17))


@dealt
@modest
@example(num_batches=1, world_size=8)
def test_every_batch_comes_exactly_once_on_as_many_turns(num_batches, world_size):
    batches = [[n, 1000 + n] for n in range(num_batches)]
    by_rank = ranks(batches, world_size)
    assert sorted(batch for own in by_rank for batch in own if batch) == batches
    # A rank that stops early leaves the others waiting for it for ever.
    samplers = [DealtBatches(batches, rank, world_size) for rank in range(world_size)]
    turns = {math.ceil(num_batches / world_size)}
    assert {len(own) for own in by_rank} == {len(sampler) for sampler in samplers} == turns
    busy = [sum(1 for batch in own if batch) for own in by_rank]
    assert max(busy) - min(busy) <= 1


@given(seconds=st.lists(st.floats(0.1, 30), min_size=1, max_size=150), world_size=st.integers(1, 8))
@modest
def test_ranks_finish_together(seconds, world_size):
    batches = batches_by_length(seconds, 4)
    cost = [sum(len(b) * seconds[b[0]] for b in own if b) for own in ranks(batches, world_size)]
    # Turns go back and forth: what is left is less than the dearest batch.
    assert max(cost) - min(cost) <= 4 * max(seconds) + 1e-9


def test_turns_go_back_and_forth():
    batches = [[n] for n in range(7)]
    assert ranks(batches, 3) == [[[0], [5], [6]], [[1], [4], []], [[2], [3], []]]


def test_more_ranks_than_batches():
    assert ranks([[4, 5]], 3) == [[[4, 5]], [[]], [[]]]


@pytest.mark.parametrize("world_size", [1, 3])
def test_no_batches(world_size):
    assert ranks([], world_size) == [[] for _ in range(world_size)]


def test_walking_twice_gives_the_same_and_lists_of_ones_own():
    batches = [[0, 1], [2]]
    sampler = DealtBatches(batches, 0, 1)
    first = list(sampler)
    first[0].append(99)
    assert list(sampler) == batches == [[0, 1], [2]]


def test_lengths_are_those_that_the_model_hears(clips, write_sound):
    made = clips(["dog"], 3)
    for clip, seconds in zip(made, (0.3, 4.0), strict=False):
        write_sound(clip.path, seconds)
    made[2].path.write_text("no sound: decoding will say so")
    assert heard_seconds(made, MediaRule(8_000, 1.0)) == pytest.approx([0.3, 1.0, 1.0])
    assert heard_seconds(made, MediaRule(8_000, 1.0, "windows")) == pytest.approx([0.3, 4.0, 1.0])
