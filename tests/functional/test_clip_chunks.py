import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calm_pl.functional import chunks, clip_chunks


@settings(deadline=None, derandomize=True, max_examples=50)
@given(num_clips=st.integers(0, 60), per_clip=st.integers(1, 40), max_block=st.integers(1, 200))
def test_chunks_cover_every_clip_once_in_order_within_the_bound(num_clips, per_clip, max_block):
    slices = list(clip_chunks(num_clips, per_clip, max_block))
    assert [n for part in slices for n in range(num_clips)[part]] == list(range(num_clips))
    for part in slices:
        size = part.stop - part.start
        assert size == 1 or 1 < size <= max_block // per_clip


def test_chunks_are_as_large_as_the_bound_allows():
    # 10 values hold three clips of 3 values.
    sizes = [part.stop - part.start for part in clip_chunks(8, 3, 10)]
    assert sizes == [3, 3, 2]


def test_chunks_have_at_most_as_many_clips_as_are_asked_for():
    sizes = [part.stop - part.start for part in clip_chunks(8, 3, 1000, most=5)]
    assert sizes == [5, 3]


def test_a_clip_above_the_bound_is_a_chunk_of_its_own():
    assert list(clip_chunks(2, 1000, 10)) == [slice(0, 1), slice(1, 2)]


@pytest.mark.parametrize("bound", [4, 6])
def test_the_module_bound_is_read_at_each_call(monkeypatch, bound):
    monkeypatch.setattr(chunks, "MAX_BLOCK", bound)
    assert next(iter(clip_chunks(100, 2))) == slice(0, bound // 2)
