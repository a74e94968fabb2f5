"""What programs give: tensors and files are accepted, the rest is refused by name."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from calm_pl.errors import BadClipError, ModelError
from calm_pl.models.given import texts_given, waveforms_given

RATE = 16_000
WAVE = (0.5 * np.sin(np.arange(8_000) / 9)).astype(np.float32)


def heard(one):
    (wave,) = waveforms_given([one], RATE, 2.0)
    assert wave.dtype == np.float32
    return wave


@pytest.mark.parametrize(
    "one",
    [
        WAVE,
        WAVE.astype(np.float64),
        WAVE[None],
        WAVE[:, None],
        WAVE[::-1][::-1],
        WAVE.tolist(),
        torch.from_numpy(WAVE),
        torch.from_numpy(WAVE)[None],
        torch.from_numpy(WAVE).requires_grad_(),
    ],
    ids=["array", "float64", "channel", "column", "strided", "list", "tensor", "tensor channel", "gradient"],
)
def test_forms_of_one_waveform(one):
    np.testing.assert_array_equal(heard(one), WAVE)


def test_half_precision_and_a_batch():
    np.testing.assert_allclose(heard(torch.from_numpy(WAVE).bfloat16()), WAVE, atol=2e-3)
    np.testing.assert_array_equal(waveforms_given(torch.from_numpy(np.stack([WAVE] * 2)), RATE, 2.0)[1], WAVE)


def test_files_are_read_and_resampled(tmp_path):
    soundfile.write(tmp_path / "one.wav", np.stack([WAVE, WAVE], 1), 8_000, subtype="FLOAT")
    for path in (tmp_path / "one.wav", str(tmp_path / "one.wav")):
        assert heard(path).shape == (16_000,)
    with pytest.raises(BadClipError, match=r"gone\.wav"):
        heard(tmp_path / "gone.wav")
    soundfile.write(tmp_path / "long.wav", np.zeros(50_000), RATE)
    with pytest.raises(BadClipError, match="over the model's window of 2 s"):
        heard(tmp_path / "long.wav")


def with_value(value):
    wave = WAVE.copy()
    wave[77] = value
    return wave


@pytest.mark.parametrize(
    ("one", "told"),
    [
        ((WAVE * 32767).astype(np.int16), "is int16. Divide 16-bit samples by 32768"),
        (torch.ones(8_000, dtype=torch.int32), "is int32"),
        (WAVE * 32767, r"must lie between -1 and 1, but reaches 16,38\d"),
        (with_value(np.nan), "must be finite, but sample 77 is nan"),
        (with_value(-np.inf), "sample 77 is -inf"),
        (np.stack([WAVE] * 2), r"must be mono, \(samples,\), but has the shape \(2, 8000\)"),
        (torch.zeros(1, 2, 8_000), r"has the shape \(1, 2, 8000\)"),
        (WAVE[:0], "has no samples"),
        (
            np.zeros(100 * RATE, dtype=np.float32),
            r"lasts 100\.00 s at 16000 Hz, over the model's window of 2 s",
        ),
        (3.0, r"has the shape \(\)"),
        (["a", "b"], "is <U1"),
        (None, r"has the shape \(\)"),
    ],
)
def test_what_is_no_waveform_is_refused_by_position(one, told):
    with pytest.raises(ModelError, match=rf"^waveforms\[1\]: .*{told}"):
        waveforms_given([WAVE, one], RATE, 2.0)


@pytest.mark.parametrize("given", ["a.wav", Path("a.wav"), WAVE, torch.from_numpy(WAVE)])
def test_one_in_place_of_a_list(given):
    with pytest.raises(ModelError, match=r"`waveforms` must be a list"):
        waveforms_given(given, RATE, 2.0)


def test_texts():
    assert texts_given("questions", ("a", "b"), 2) == ["a", "b"]
    with pytest.raises(ModelError, match=r"list with one string per clip, but is the string 'What\?'"):
        texts_given("questions", "What?", 5)
    with pytest.raises(ModelError, match="`questions` must be strings, but number 1 is 3"):
        texts_given("questions", ["a", 3], 2)
    with pytest.raises(ModelError, match="must be one string per clip, 2, but are 1"):
        texts_given("questions", ["a"], 2)


def test_a_model_refuses_them_before_it_listens(lalm):
    with pytest.raises(ModelError, match="is int16"):
        lalm.preparer([np.zeros(8_000, dtype=np.int16)], ["What?"])
    with pytest.raises(ModelError, match="`questions` must be a list"):
        lalm.preparer([WAVE] * 5, "What?")
    inputs = lalm.preparer([torch.from_numpy(WAVE)] * 3, ["What?"] * 3)
    assert torch.equal(inputs["input_features"], lalm.preparer([WAVE] * 3, ["What?"] * 3)["input_features"])
    with pytest.raises(ModelError, match=r"`options\[0\]` must be a list with one string per clip"):
        lalm.option_text_scores(inputs, ["dog", "cat", "cow"])
    with pytest.raises(ModelError, match="`options` must be a list of lists"):
        lalm.option_text_scores(inputs, "dog")
    with pytest.raises(ModelError, match="`answers` must be a list"):
        lalm.answer_scores(inputs, "dog")


def test_files_and_waveforms_are_encoded_in_batches_as_in_one_pass(lalm, tmp_path):
    waves = [np.random.default_rng(n).uniform(-0.3, 0.3, 8_000).astype(np.float32) for n in range(5)]
    paths = [tmp_path / f"{n}.wav" for n in range(5)]
    for path, wave in zip(paths, waves, strict=True):
        soundfile.write(path, wave, 16_000, subtype="FLOAT")
    whole = lalm(lalm.preparer(waves, ["What is it?"] * 5)).vectors_NHD
    for given in (paths, waves):
        encoded = lalm.encode(given, "What is it?", batch_size=2)
        assert encoded.shape == (5, lalm.layout.num_heads, lalm.layout.head_dim)
        assert torch.allclose(encoded, whole, atol=1e-5)
    other = lalm.encode(waves[:2], ["What is it?", "Who speaks?"])
    assert torch.allclose(other[0], whole[0], atol=1e-5)
    assert not torch.allclose(other[1], whole[1], atol=1e-5)
    assert lalm.encode([]).shape == (0, lalm.layout.num_heads, lalm.layout.head_dim)
    with pytest.raises(ModelError, match=r"`clips` must be a list, but is the path .*: write \[path\]"):
        lalm.encode(str(paths[0]))
    with pytest.raises(ModelError, match="`question` must be one string per clip, 5, but are 1"):
        lalm.encode(waves, ["What is it?"])
