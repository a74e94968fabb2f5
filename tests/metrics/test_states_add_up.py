"""States of several ranks, added, are the state of one: what a sum over ranks relies on."""

import numpy as np
import pytest
import torch
from torchmetrics import Metric

from calm_pl.data.loading.balance import DealtBatches, batches_by_length
from calm_pl.metrics import (
    ClipAveragePrecision,
    ClipExactMatch,
    EqualErrorRate,
    MethodMetrics,
    MetricSizes,
    PredictionTable,
)

CLIPS, CLASSES = 23, 5


def outcomes() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Predicted and true class of each clip, and a confidence."""
    g = torch.Generator().manual_seed(0)
    truth = torch.randint(CLASSES, (CLIPS,), generator=g)
    noise = torch.randint(CLASSES, (CLIPS,), generator=g)
    predicted = torch.where(torch.rand(CLIPS, generator=g) < 0.6, truth, noise)
    return predicted, truth, torch.rand(CLIPS, generator=g)


def merge(target: Metric, ranks: list[Metric]) -> None:
    """Set a metric's states to the sum of those of all ranks, as its reduction says."""
    for name, reduction in target._reductions.items():
        total = reduction(torch.stack([rank.metric_state[name] for rank in ranks]))
        setattr(target, name, total)
    target._update_count = 1


def shares(world_size: int) -> list[list[list[int]]]:
    batches = batches_by_length([1.0] * CLIPS, 3)
    return [list(DealtBatches(batches, rank, world_size)) for rank in range(world_size)]


@pytest.mark.parametrize("world_size", [2, 3, 11])
def test_method_metrics(world_size):
    predicted, truth, _ = outcomes()
    proba_QC = torch.rand(CLIPS, CLASSES, generator=torch.Generator().manual_seed(1))
    sizes = MetricSizes(CLASSES, CLIPS, CLIPS, multi_label=True, positive=2)

    def counted(batches) -> MethodMetrics:
        metrics = MethodMetrics(sizes)
        for batch in batches:
            if batch:  # a rank without clips never updates
                index = torch.tensor(batch)
                metrics.update(predicted[batch], proba_QC[batch], truth[batch], index, index)
        return metrics

    alone = counted([list(range(CLIPS))]).result()
    ranks = [counted(batches) for batches in shares(world_size)]
    merged = MethodMetrics(sizes)
    merge(merged.confusion, [rank.confusion for rank in ranks])
    for number, metric in enumerate(merged.measures):
        merge(metric, [rank.measures[number] for rank in ranks])
    together = merged.result()
    assert set(together.values) == {"accuracy", "macro_f1", "exact_match", "map", "eer"}
    arrays = {"confusion_CC": None, "left_out_N": None}
    assert together._replace(**arrays) == alone._replace(**arrays)
    np.testing.assert_array_equal(together.left_out_N, alone.left_out_N)
    assert together.confusion_CC.tolist() == alone.confusion_CC.tolist()


@pytest.mark.parametrize("world_size", [2, 3, 11])
def test_prediction_table(world_size):
    predicted, _, confidence = outcomes()
    ranks = []
    for batches in shares(world_size):
        table = PredictionTable(CLIPS, 1, 1)
        for batch in batches:
            table.update(
                torch.tensor(batch, dtype=torch.int64),
                predicted[batch, None, None],
                confidence[batch, None, None],
            )
        ranks.append(table)
    merged = PredictionTable(CLIPS, 1, 1)
    merge(merged, ranks)
    seen_Q, label_Q11, confidence_Q11 = merged.compute()
    assert seen_Q.tolist() == [1] * CLIPS
    assert label_Q11.flatten().tolist() == predicted.tolist()
    assert confidence_Q11.flatten().tolist() == confidence.tolist()


def test_exact_match_of_a_clip_whose_queries_fall_on_two_ranks():
    one, other, merged = ClipExactMatch(2), ClipExactMatch(2), ClipExactMatch(2)
    one.update(torch.tensor([True, True]), torch.tensor([0, 1]))
    other.update(torch.tensor([False]), torch.tensor([0]))
    merge(merged, [one, other])
    result = merged.compute()
    assert (int(result.exact), int(result.clips)) == (1, 2)


def test_states_are_sums():
    metrics = (
        ClipExactMatch(2),
        PredictionTable(2, 2, 1),
        ClipAveragePrecision(2, 3),
        EqualErrorRate(2, 0),
    )
    for metric in metrics:
        for name, reduction in metric._reductions.items():
            added = reduction(torch.ones(3, 4))
            assert added.tolist() == [3.0] * 4, name
