"""From batches to vectors and letters: windows, passes, options of different numbers."""

from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch

from calm_pl.data.loading.batches import ClipDataset, Collator, MediaRule, ModelPass
from calm_pl.data.questions.clips import Clip, Query
from calm_pl.evaluation.encoding import encode
from calm_pl.evaluation.kept import Kept
from calm_pl.evaluation.zero_shot import class_probabilities, option_scores
from calm_pl.methods import Reads
from calm_pl.models import LalmOutput
from calm_pl.models.heads import HeadLayout

SECONDS = (0.5, 5.0, 3.0, 1.0)  # the tiny model hears two: one window, three, two, one


@pytest.fixture(scope="module")
def queries(tmp_path_factory):
    """Four clips of different lengths and options of different numbers; the last has none."""
    folder = tmp_path_factory.mktemp("encoding")
    rng = np.random.default_rng(0)
    made = []
    options = ((2, 0, 1), (1, 0), (0, 1, 2), ())
    for i, (seconds, own) in enumerate(zip(SECONDS, options, strict=True)):
        path = folder / f"{i}.wav"
        soundfile.write(path, 0.1 * rng.standard_normal(int(seconds * 16_000)), 16_000, subtype="FLOAT")
        made.append(Query(Clip(str(i), path, ("x",), ()), 0, f"What is it? {i}", own))
    return made


def batch_of(queries, lalm, positions, max_rows=8):
    rule = MediaRule(lalm.preparer.sample_rate, lalm.preparer.max_seconds, "windows")
    items = ClipDataset(queries, rule).__getitems__(list(positions))
    return Collator(queries, lalm.preparer, torch.tensor([max_rows]))(items), [media for _, media in items]


def test_a_clip_of_several_windows_gives_their_mean(queries, lalm):
    batch, media = batch_of(queries, lalm, range(4))
    assert [len(one.sound.windows) for one in media] == [1, 3, 2, 1]
    encoded = encode(lalm, batch)
    for n, one in enumerate(media):
        alone = [lalm(lalm.preparer([window], [queries[n].question])) for window in one.sound.windows]
        mean_HD = torch.stack([output.vectors_NHD[0] for output in alone]).mean(0)
        torch.testing.assert_close(encoded.vectors_NHD[n], mean_HD, rtol=1e-4, atol=1e-5)
        for place in range(len(queries[n].options)):
            ids = lalm.preparer.option_tokens("ABC"[place])
            said = [torch.softmax(output.logits_NV[0], -1)[ids].sum().log() for output in alone]
            expected = torch.stack(said).mean()
            torch.testing.assert_close(encoded.options_NO[n, place], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("max_rows", [1, 2, 3, 100])
def test_passes_of_any_size_give_the_same(queries, lalm, max_rows):
    batch, _ = batch_of(queries, lalm, range(4), max_rows)
    assert [len(one.clip_R) for one in batch.passes[:-1]] == [max_rows] * (len(batch.passes) - 1)
    assert torch.cat([one.clip_R for one in batch.passes]).tolist() == [0, 1, 1, 1, 2, 2, 3]
    expected = encode(lalm, batch_of(queries, lalm, range(4), 7)[0])
    encoded = encode(lalm, batch)
    torch.testing.assert_close(encoded.vectors_NHD, expected.vectors_NHD, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(encoded.options_NO, expected.options_NO, rtol=1e-4, atol=1e-4)


def test_letters_past_a_questions_last_option_cannot_be_said(queries, lalm):
    batch, _ = batch_of(queries, lalm, range(4))
    letters_NO = encode(lalm, batch).options_NO
    assert letters_NO.shape == (4, 3)
    assert torch.isfinite(letters_NO).sum(1).tolist() == [3, 2, 3, 0]
    assert (letters_NO[torch.isfinite(letters_NO)] < 0).all()


def test_companions_with_more_options_change_nothing(queries, lalm):
    together = encode(lalm, batch_of(queries, lalm, [0, 1])[0])
    alone_batch, _ = batch_of(queries, lalm, [1])
    alone = encode(lalm, alone_batch)
    assert alone.options_NO.shape == (1, 2)
    torch.testing.assert_close(together.options_NO[1, :2], alone.options_NO[0], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(
        class_probabilities(together.options_NO[1:], torch.tensor([[1, 0, -1]]), 3),
        class_probabilities(alone.options_NO, alone_batch.options_NO, 3),
        rtol=1e-4,
        atol=1e-5,
    )


def test_questions_without_options_have_no_letters(queries, lalm):
    batch, _ = batch_of(queries, lalm, [3])
    encoded = encode(lalm, batch)
    assert encoded.options_NO.shape == (1, 0)
    assert class_probabilities(encoded.options_NO, batch.options_NO, 4).tolist() == [[0.0] * 4]


def test_one_window_each_keeps_the_models_dtype_and_rows(queries, lalm):
    batch, _ = batch_of(queries, lalm, [3, 0])
    encoded = encode(lalm, batch)
    (one,) = batch.passes
    assert torch.equal(encoded.vectors_NHD, lalm(one.inputs).vectors_NHD)


def test_probabilities_by_hand():
    letters_NO = torch.log(torch.tensor([[0.1, 0.2, 0.1], [0.3, 0.1, 0.6], [0.2, 0.5, 0.3]]))
    letters_NO[1, 2] = -torch.inf
    options_NO = torch.tensor([[3, 0, 2], [1, 4, -1], [0, 1, 2]])
    expected = [[0.5, 0, 0.25, 0.25, 0], [0, 0.75, 0, 0, 0.25], [0.2, 0.5, 0.3, 0, 0]]
    p_NC = class_probabilities(letters_NO, options_NO, 5)
    torch.testing.assert_close(p_NC, torch.tensor(expected))


def test_a_question_without_options_among_others_chooses_nothing():
    letters_NO = torch.tensor([[-1.0, -1.0], [-torch.inf, -torch.inf]])
    p_NC = class_probabilities(letters_NO, torch.tensor([[2, 1], [-1, -1]]), 4)
    torch.testing.assert_close(p_NC, torch.tensor([[0, 0.5, 0.5, 0], [0.0] * 4]))


def test_zero_shot_is_the_class_of_the_likeliest_letter(lalm):
    logits_NV = torch.zeros(2, 1000)
    logits_NV[0, lalm.preparer.option_tokens("B")] = 9.0
    logits_NV[1, lalm.preparer.option_tokens("A")] = 9.0
    options_NO = torch.tensor([[2, 0], [1, 2]])
    output = LalmOutput(torch.zeros(2, 1, 1), logits_NV, torch.zeros(2, 1))
    scores_NO = option_scores(lalm, "letters", ModelPass({}, torch.arange(2)), output, options_NO, ())
    p_NC = class_probabilities(scores_NO, options_NO, 3)
    assert p_NC.argmax(1).tolist() == [0, 1]
    assert (p_NC[0, 1], p_NC[1, 0]) == (0, 0)  # no options
    torch.testing.assert_close(p_NC.sum(1), torch.ones(2))


def test_hidden_states_are_what_the_logits_are_made_of(queries, lalm):
    batch, media = batch_of(queries, lalm, range(2))
    kept = encode(lalm, batch, keep=Kept(hidden=True))
    plain = encode(lalm, batch)
    num_heads = lalm.layout.num_heads
    torch.testing.assert_close(kept.vectors_NHD[:, :num_heads], plain.vectors_NHD, rtol=0, atol=0)
    hidden_N1E = Kept(hidden=True).read(Reads.HIDDEN, kept.vectors_NHD, lalm)
    states = []
    handle = lalm.model.get_decoder().norm.register_forward_hook(lambda *call: states.append(call[2]))
    for n, one in enumerate(media):
        alone = [lalm(lalm.preparer([window], [queries[n].question])) for window in one.sound.windows]
        seen = [state[0, -1] for state in states]
        states.clear()
        mean_E = torch.stack(seen).mean(0)
        torch.testing.assert_close(hidden_N1E[n, 0, : len(mean_E)], mean_E, rtol=1e-4, atol=1e-4)
        assert not hidden_N1E[n, 0, len(mean_E) :].any()
        logits_V = lalm.model.lm_head(seen[0])
        torch.testing.assert_close(alone[0].logits_NV[0], logits_V, rtol=1e-4, atol=1e-4)
    handle.remove()


def test_the_pooled_tower_of_a_clip_of_several_windows_is_their_mean(queries, lalm):
    batch, media = batch_of(queries, lalm, range(4), max_rows=3)
    keep = Kept(hidden=True, tower=True)
    vectors_NHD = encode(lalm, batch, keep=keep).vectors_NHD
    found = {reads: keep.read(reads, vectors_NHD, lalm) for reads in Reads}
    for n, one in enumerate(media):
        alone = [
            lalm(lalm.preparer([window], [queries[n].question]), tower=True) for window in one.sound.windows
        ]
        for reads, values in (
            (Reads.HEADS, [one.vectors_NHD[0] for one in alone]),
            (Reads.HIDDEN, [one.hidden_NE for one in alone]),
            (Reads.TOWER, [one.tower_N2E[0] for one in alone]),
        ):
            mean = torch.stack(values).mean(0)
            torch.testing.assert_close(found[reads][n, :, : mean.shape[1]], mean, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("tower", [False, True])
def test_parts_of_an_odd_size_are_padded_with_zeros(hidden, tower):
    output = LalmOutput(
        torch.ones(2, 3, 4),
        torch.zeros(2, 5),
        torch.arange(12.0).view(2, 6),
        torch.arange(20.0).view(2, 2, 5) + 12,
    )
    sizes = SimpleNamespace(layout=HeadLayout(1, 3, 4), hidden_size=6)
    keep = Kept(hidden, tower)
    rows = keep.rows(output)
    assert rows.shape == (2, 3 + 2 * hidden + 4 * tower, 4)
    assert torch.equal(keep.read(Reads.HEADS, rows, sizes), torch.ones(2, 3, 4))
    if hidden:
        assert keep.read(Reads.HIDDEN, rows, sizes)[1].tolist() == [[6, 7, 8, 9, 10, 11, 0, 0]]
    if tower:
        mean, deviation = [22, 23, 24, 25, 26, 0, 0, 0], [27, 28, 29, 30, 31, 0, 0, 0]
        assert keep.read(Reads.TOWER, rows, sizes)[1].tolist() == [mean, deviation]
        pieces = [[1.0] * 4] * 3 + [mean[:4], mean[4:], deviation[:4], deviation[4:]]
        assert keep.read(Reads.HEADS_AND_TOWER, rows, sizes)[1].tolist() == pieces
