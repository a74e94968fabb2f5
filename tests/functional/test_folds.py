import pytest
import torch

from calm_pl.functional import FoldedClips, balanced_folds
from calm_pl.functional.folds import MAX_FOLDS, NEVER


def folds_of(y, order=None, most=MAX_FOLDS):
    y = torch.tensor(y)
    order = torch.arange(len(y)) if order is None else torch.tensor(order)
    return balanced_folds(y, order, int(y.max()) + 1, most)


def test_by_hand():
    # Clips 0, 2, 3 of class 0 in the order 3, 0, 2 begin with fold 0; 1, 4 of class 1 in theirs with fold 1;
    # the only clip of class 2 stays.
    found = folds_of([0, 1, 0, 0, 1, 2], [5.0, 2.0, 9.0, 1.0, 3.0, 0.0])
    assert found.tolist() == [1, 1, 2, 0, 2, NEVER]


@pytest.mark.parametrize("shots", [2, 3, 5, 10])
def test_each_fold_takes_one_clip_of_each_class(shots):
    y = torch.arange(4 * shots) % 4
    fold = folds_of(y.tolist())
    assert int(fold.max()) + 1 == shots
    for f in range(shots):
        assert sorted(y[fold == f].tolist()) == [0, 1, 2, 3]


@pytest.mark.parametrize("counts", [(23, 20, 11, 10, 2, 1), (3, 30), (12, 12)])
def test_every_class_keeps_clips_and_folds_are_alike(counts):
    y = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    fold = folds_of(y.tolist())
    assert int(fold.max()) + 1 == MAX_FOLDS
    for c, count in enumerate(counts):
        own = fold[y == c]
        if count == 1:
            assert own.tolist() == [NEVER]
            continue
        sizes = torch.bincount(own, minlength=MAX_FOLDS)
        assert int(sizes.max()) < count
        assert int(sizes.max() - sizes.min()) <= 1


def test_order_of_clips_does_not_matter():
    y, order = torch.arange(21) % 3, torch.rand(21, generator=torch.Generator().manual_seed(0))
    mixed = torch.randperm(21, generator=torch.Generator().manual_seed(1))
    expected = balanced_folds(y, order, 3)[mixed]
    assert torch.equal(balanced_folds(y[mixed], order[mixed], 3), expected)


def test_one_clip_a_class_has_no_folds():
    clips = FoldedClips(torch.tensor([1, 0]), folds_of([1, 0]))
    assert clips.num_folds == 0
    assert not clips.can_N.any()
