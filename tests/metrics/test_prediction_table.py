"""The table of predictions: each row from its own clip, wherever it was scored."""

import torch

from calm_pl.metrics import PredictionTable


def test_rows_land_at_their_clips():
    table = PredictionTable(4, 1, 2)
    table.update(
        torch.tensor([2, 0]), torch.tensor([[[5, 6]], [[7, 8]]]), torch.tensor([[[0.5, 0.6]], [[0.7, 0.8]]])
    )
    table.update(torch.tensor([3]), torch.tensor([[[9, 1]]]), torch.tensor([[[0.9, 0.1]]]))
    seen_Q, label_QDM, confidence_QDM = table.compute()
    assert seen_Q.tolist() == [1, 0, 1, 1]
    assert label_QDM[:, 0].tolist() == [[7, 8], [0, 0], [5, 6], [9, 1]]
    expected = torch.tensor([[0.7, 0.8], [0, 0], [0.5, 0.6], [0.9, 0.1]])
    torch.testing.assert_close(confidence_QDM[:, 0], expected)


def test_a_clip_that_comes_twice_shows():
    table = PredictionTable(2, 1, 1)
    for _ in range(2):
        table.update(torch.tensor([1]), torch.tensor([[[3]]]), torch.tensor([[[0.5]]]))
    assert table.compute()[0].tolist() == [0, 2]


def test_a_clip_twice_in_one_batch_shows_too():
    table = PredictionTable(2, 1, 1)
    table.update(torch.tensor([1, 1]), torch.tensor([[[3]], [[3]]]), torch.tensor([[[0.5]], [[0.5]]]))
    assert table.compute()[0].tolist() == [0, 2]


def test_reset_forgets():
    table = PredictionTable(2, 1, 1)
    table.update(torch.tensor([0]), torch.tensor([[[3]]]), torch.tensor([[[0.5]]]))
    table.reset()
    table.update(torch.tensor([1]), torch.tensor([[[4]]]), torch.tensor([[[0.25]]]))
    assert [t.flatten().tolist() for t in table.compute()] == [[0, 1], [0, 4], [0, 0.25]]


def test_draws_have_columns_of_their_own():
    table = PredictionTable(2, 3, 1)
    table.update(torch.tensor([1]), torch.tensor([[[4], [5], [6]]]), torch.tensor([[[0.25], [0.5], [0.75]]]))
    seen_Q, label_QDM, confidence_QDM = table.compute()
    assert seen_Q.tolist() == [0, 1]
    assert label_QDM.squeeze(2).tolist() == [[0, 0, 0], [4, 5, 6]]
    assert confidence_QDM.squeeze(2).tolist() == [[0, 0, 0], [0.25, 0.5, 0.75]]
