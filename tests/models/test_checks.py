"""The self-checks find models that are deaf or whose answers depend on the batch."""

import numpy as np
import pytest
import torch

from calm_pl import FrozenLALM
from calm_pl.errors import ModelError
from calm_pl.models.checks import (
    QUESTIONS,
    _against_other_clips,
    hearing_check,
    invariance_check,
    sample_clips,
)
from calm_pl.models.families.qwen2_audio import prepare


class Spoilt:
    """The real processor, whose result is changed on its way out."""

    def __init__(self, processor, spoil):
        self._processor, self._spoil = processor, spoil

    def __getattr__(self, name):
        return getattr(self._processor, name)

    def __call__(self, **kwargs):
        result = self._processor(**kwargs)
        self._spoil(result)
        return result


def scaled(path, dtype, scale):
    """A model whose matrices are so many times as large."""
    lalm = FrozenLALM.from_pretrained(path, dtype=dtype)
    with torch.no_grad():
        for name, parameter in lalm.model.named_parameters():
            if parameter.dim() > 1 and "embed" not in name:
                parameter.mul_(scale)
    return lalm


def spoilt(lalm, spoil):
    return FrozenLALM(lalm.model, prepare(Spoilt(lalm.preparer.processor, spoil)))


def test_a_hearing_model_passes(lalm):
    report = hearing_check(lalm)
    assert report.silence_change > 0.05
    assert report.swap_change > 0.05
    assert report.noise < 1e-5
    assert report.audio_tokens == {32_000: 50, 9_920: 15, 19_840: 31}


def test_the_change_is_that_of_the_vectors(lalm):
    one, other = (clip[:9_920] for clip in sample_clips(lalm.preparer)[:2])
    first = lalm(lalm.preparer([one], QUESTIONS[:1])).vectors_NHD
    second = lalm(lalm.preparer([other], QUESTIONS[:1])).vectors_NHD
    expected = float((first - second).norm() / first.norm())
    assert hearing_check(lalm).swap_change == pytest.approx(expected, rel=1e-3)


def test_it_works_in_half_precision(tiny_folder):
    half = FrozenLALM.from_pretrained(str(tiny_folder), dtype="bfloat16")
    assert hearing_check(half).silence_change > 0.05
    report = invariance_check(half)
    assert report.dtype == "bfloat16"
    assert 1e-5 < report.drift < 5e-2


def test_a_processor_that_drops_the_features(lalm):
    with pytest.raises(ModelError, match="dropped the audio"):
        hearing_check(spoilt(lalm, lambda result: result.pop("input_features")))


def test_a_processor_that_makes_no_audio_tokens(lalm):
    def spoil(result):
        ids = result["input_ids"]
        ids[ids == lalm.preparer.audio_token_id] = lalm.preparer.tokenizer.pad_token_id

    with pytest.raises(ModelError, match="no audio tokens"):
        hearing_check(spoilt(lalm, spoil))


def test_a_processor_that_hears_only_the_start(lalm):
    """As many features as ever, but fewer tokens than the clip is long."""

    def spoil(result):
        sound = result["input_ids"] == lalm.preparer.audio_token_id
        result["input_ids"][sound & (sound.cumsum(-1) > 10)] = lalm.preparer.tokenizer.pad_token_id

    with pytest.raises(ModelError, match="made 10 audio tokens of 32000 samples"):
        hearing_check(spoilt(lalm, spoil))


def test_a_processor_whose_features_are_all_the_same(lalm):
    with pytest.raises(ModelError, match="does not hear: silence in place of a clip"):
        hearing_check(spoilt(lalm, lambda result: result["input_features"].fill_(-0.5)))


def test_a_processor_that_gives_everyone_the_first_clip(lalm):
    def spoil(result):
        result["input_features"][:] = result["input_features"][:1].clone()

    with pytest.raises(ModelError, match="does not hear"):
        hearing_check(spoilt(lalm, spoil))


def test_a_processor_that_tells_silence_from_sound_but_not_clips_apart(lalm):
    def spoil(result):
        features = result["input_features"]
        loud = features.amax((1, 2), keepdim=True) > -1.4  # silence is -1.5 throughout
        features[:] = torch.where(loud, torch.full_like(features, 0.3), features)

    with pytest.raises(ModelError, match="another clip in its place"):
        hearing_check(spoilt(lalm, spoil))


def test_a_model_that_ignores_the_sound(tiny_folder):
    lalm = FrozenLALM.from_pretrained(str(tiny_folder))
    with torch.no_grad():
        lalm.model.model.multi_modal_projector.linear.weight.zero_()
    with pytest.raises(ModelError, match="does not hear"):
        hearing_check(lalm)


def test_clips_of_ones_own(lalm):
    rng = np.random.default_rng(3)
    clips = [rng.standard_normal(n).astype(np.float32) for n in (8_000, 12_000)]
    assert hearing_check(lalm, clips).audio_tokens == {8_000: 12, 12_000: 19}
    report = invariance_check(lalm, clips, ["one?", "another and longer?"])
    assert report.batch_size == 2
    assert report.drift < 1e-5


def test_a_batch_invariant_model_passes(lalm):
    report = invariance_check(lalm)
    assert report.dtype == "float32"
    assert report.batch_size == 3
    assert report.drift < 1e-5
    assert report.logit_change < 1e-4
    assert report.changed_predictions == 0
    assert 0 <= report.share < 1e-9
    assert (report.confused, report.warning) == (0, None)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize(("model", "scale"), [("tiny", 1), ("tiny", 2), ("bundled", 1)])
def test_padding_that_is_not_masked_is_found(tiny_folder, model, scale, dtype):
    """A processor that forgets the mask of a batch: padding is taken for words."""
    broken = scaled(str(tiny_folder) if model == "tiny" else "bundled:tiny_lalm", dtype, scale)
    with pytest.raises(ModelError, match=r"That is more than rounding: .* data\.batch_size=1"):
        invariance_check(spoilt(broken, lambda result: result["attention_mask"].fill_(1)))


def test_rounding_of_large_weights_is_told_and_stops_nothing(tiny_folder):
    """Weights four times as large move vectors by up to a quarter of their norm, but most heads by little."""
    report = invariance_check(scaled(str(tiny_folder), "bfloat16", 4))
    assert report.drift > 0.05
    assert report.share < 5e-3
    assert f"by {report.drift:.1%} of their norm (bfloat16;" in report.warning
    assert "model.dtype=float32 or data.batch_size=1" in report.warning


def test_the_share_and_the_confused_heads_by_hand():
    # Two clips, two heads: in the first the batch turns a clip by 30 degrees, in the second it takes the clip
    # for the other; a third head does not hear, and counts nowhere.
    alone = torch.tensor([[[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]]] * 2)
    other = torch.tensor([[[0.0, 1.0], [0.0, 1.0], [1.0, 0.0]]] * 2)
    turned = [0.75**0.5, 0.5]
    together = torch.tensor([[turned, [0.0, 1.0], [0.0, 1.0]], [[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]]])
    share, confused = _against_other_clips(together, alone, other)
    assert share == pytest.approx(1 - 0.75**0.5)  # the lower of two, as torch's median
    assert confused == 0.5


def test_the_report_counts_changed_predictions(lalm, monkeypatch):
    forward = lalm.forward

    def shifted(inputs):
        output = forward(inputs)
        logits_NV = output.logits_NV.clone()
        if len(logits_NV) > 1:
            logits_NV[1, 7] = logits_NV.max() + 5
        return output._replace(logits_NV=logits_NV)

    monkeypatch.setattr(lalm, "forward", shifted)
    report = invariance_check(lalm)
    assert report.changed_predictions == 1
    assert report.logit_change > 5
