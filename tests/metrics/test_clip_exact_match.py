"""Strict exact match, by hand."""

import pytest
import torch

from calm_pl.metrics import ClipExactMatch


def counted(num_clips: int, *batches: tuple[list[bool], list[int]]):
    metric = ClipExactMatch(num_clips)
    for right, clips in batches:
        metric.update(torch.tensor(right, dtype=torch.bool), torch.tensor(clips, dtype=torch.int64))
    return metric.compute()


def test_a_clip_counts_only_if_all_its_queries_are_right():
    #        clip 0: right, right   clip 1: right, wrong   clip 2: wrong
    result = counted(3, ([True, True, True, False, False], [0, 0, 1, 1, 2]))
    assert (int(result.exact), int(result.clips)) == (1, 3)
    assert float(result.share) == pytest.approx(1 / 3)


def test_queries_of_one_clip_may_come_in_different_batches():
    result = counted(2, ([True, True], [0, 1]), ([False, True], [0, 1]), ([True], [1]))
    assert (int(result.exact), int(result.clips)) == (1, 2)


def test_one_wrong_query_among_many_is_enough():
    result = counted(1, ([True] * 99 + [False], [0] * 100))
    assert float(result.share) == 0


def test_a_wrong_clip_does_not_pay_for_another():
    # Right queries of clip 1 must not fill up what clip 0 lacks.
    result = counted(2, ([False, True, True, True], [0, 1, 1, 1]))
    assert int(result.exact) == 1


def test_clips_that_were_never_asked_about_do_not_count():
    result = counted(10, ([True, False], [7, 3]))
    assert (int(result.exact), int(result.clips)) == (1, 2)
    assert float(result.share) == 0.5


def test_an_empty_batch_changes_nothing():
    assert float(counted(2, ([], []), ([True, False], [0, 1]), ([], [])).share) == 0.5


@pytest.mark.filterwarnings("ignore:The ``compute`` method of metric:UserWarning")
def test_nothing_asked_is_no_division_by_zero():
    result = counted(4)
    assert (float(result.share), int(result.clips)) == (0.0, 0)


def test_reset_forgets():
    metric = ClipExactMatch(1)
    metric.update(torch.tensor([False]), torch.tensor([0]))
    metric.reset()
    metric.update(torch.tensor([True]), torch.tensor([0]))
    assert float(metric.compute().share) == 1


def test_with_one_query_a_clip_it_is_the_accuracy():
    right = torch.rand(200, generator=torch.Generator().manual_seed(0)) < 0.7
    result = counted(200, (right.tolist(), list(range(200))))
    assert float(result.share) == pytest.approx(float(right.double().mean()))
