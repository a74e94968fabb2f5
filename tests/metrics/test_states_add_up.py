"""States of several ranks, added, are the state of one: what a sum over ranks relies on."""

import pytest
import torch
from torchmetrics import Metric

from calm_pl.data.sampler import ExactlyOnceBatches
from calm_pl.metrics import ClipExactMatch, MethodMetrics, PredictionTable

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
    return [list(ExactlyOnceBatches(CLIPS, 3, rank, world_size)) for rank in range(world_size)]


@pytest.mark.parametrize("world_size", [2, 3, 11])
def test_method_metrics(world_size):
    predicted, truth, _ = outcomes()

    def counted(batches) -> MethodMetrics:
        metrics = MethodMetrics(CLASSES, CLIPS)
        for batch in batches:
            if batch:  # a rank without clips never updates
                metrics.update(predicted[batch], truth[batch], torch.tensor(batch))
        return metrics

    alone = counted([list(range(CLIPS))]).result()
    ranks = [counted(batches) for batches in shares(world_size)]
    merged = MethodMetrics(CLASSES, CLIPS)
    for name, metric in merged.per_query.items():
        merge(metric, [rank.per_query[name] for rank in ranks])
    merge(merged.exact_match, [rank.exact_match for rank in ranks])
    together = merged.result()
    assert together._replace(confusion_CC=None) == alone._replace(confusion_CC=None)
    assert together.confusion_CC.tolist() == alone.confusion_CC.tolist()


@pytest.mark.parametrize("world_size", [2, 3, 11])
def test_prediction_table(world_size):
    predicted, _, confidence = outcomes()
    ranks = []
    for batches in shares(world_size):
        table = PredictionTable(CLIPS, 1)
        for batch in batches:
            table.update(
                torch.tensor(batch, dtype=torch.int64), predicted[batch, None], confidence[batch, None]
            )
        ranks.append(table)
    merged = PredictionTable(CLIPS, 1)
    merge(merged, ranks)
    seen_N, label_N1, confidence_N1 = merged.compute()
    assert seen_N.tolist() == [1] * CLIPS
    assert label_N1[:, 0].tolist() == predicted.tolist()
    assert confidence_N1[:, 0].tolist() == confidence.tolist()


def test_exact_match_of_a_clip_whose_queries_fall_on_two_ranks():
    one, other, merged = ClipExactMatch(2), ClipExactMatch(2), ClipExactMatch(2)
    one.update(torch.tensor([True, True]), torch.tensor([0, 1]))
    other.update(torch.tensor([False]), torch.tensor([0]))
    merge(merged, [one, other])
    result = merged.compute()
    assert (int(result.exact), int(result.clips)) == (1, 2)


def test_states_are_sums():
    for metric in (ClipExactMatch(2), PredictionTable(2, 2)):
        for name, reduction in metric._reductions.items():
            added = reduction(torch.ones(3, 4))
            assert added.tolist() == [3.0] * 4, name
