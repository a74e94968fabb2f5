"""Rollouts of decoded batches: every window is asked, and passes of any size give the same answers."""

import numpy as np
import pytest
import soundfile
import torch

from calm_pl.data.loading.batches import ClipDataset, Collator, MediaRule
from calm_pl.data.questions.clips import Clip, Query
from calm_pl.evaluation.encoding import encode
from calm_pl.pseudo.sampling import RolloutSampler
from calm_pl.pseudo.settings import PseudoSettings

SECONDS = (0.5, 5.0, 3.0)  # the tiny model hears two: one window, three, two
SETTINGS = PseudoSettings(rollouts=4, max_new_tokens=3)


@pytest.fixture(scope="module")
def queries(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sampling")
    rng = np.random.default_rng(0)
    made = []
    for i, seconds in enumerate(SECONDS):
        path = folder / f"{i}.wav"
        soundfile.write(path, 0.1 * rng.standard_normal(int(seconds * 16_000)), 16_000, subtype="FLOAT")
        made.append(Query(Clip(str(i), path, ("x",), ()), 0, f"What is it? {i}", (0, 1)))
    return made


def answers(queries, lalm, positions, max_rows, rule="windows"):
    media = MediaRule(lalm.preparer.sample_rate, lalm.preparer.max_seconds, rule)
    items = ClipDataset(queries, media).__getitems__(list(positions))
    batch = Collator(queries, lalm.preparer, torch.tensor([max_rows]))(items)
    encoded = encode(lalm, batch, sampler=RolloutSampler(SETTINGS, queries))
    plain = encode(lalm, batch)
    assert torch.equal(encoded.vectors_NHD, plain.vectors_NHD)
    assert torch.equal(encoded.options_NO, plain.options_NO)
    return dict(zip(batch.index_N.tolist(), encoded.answers, strict=True))


def test_every_window_of_a_clip_is_asked(queries, lalm):
    found = answers(queries, lalm, range(3), 8)
    assert [len(found[n]) for n in range(3)] == [4, 12, 8]
    # A clip's first window is what is heard of it where only its start is.
    start = answers(queries, lalm, range(3), 8, "start")
    assert [found[n][:4] for n in range(3)] == [start[n] for n in range(3)]
    assert len(set(found[1])) > 6


@pytest.mark.parametrize("max_rows", [1, 2, 4])
@pytest.mark.parametrize("positions", [(0, 1, 2), (2, 0, 1), (1,)])
def test_passes_and_orders_of_any_kind_give_the_same(queries, lalm, max_rows, positions):
    whole = answers(queries, lalm, range(3), 8)
    found = answers(queries, lalm, positions, max_rows)
    assert found == {n: whole[n] for n in positions}
