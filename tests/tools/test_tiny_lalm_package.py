"""The training package's own parts, without training: fast, no espeak-ng needed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tiny_lalm.build import MAX_FRAMES, SAMPLE_RATE, build_processor
from tiny_lalm.mels import log_mel, scale
from tiny_lalm.registry import MAKERS
from tiny_lalm.sounds import make_sound
from tiny_lalm.vocabulary import DIGIT_HOMOPHONES, DIGITS, SOUND_LABELS, spoken_words


def test_every_sound_label_has_a_maker() -> None:
    assert set(MAKERS) == set(SOUND_LABELS)


@pytest.mark.parametrize("label", SOUND_LABELS)
def test_sounds_are_finite_loud_enough_and_repeatable(label: str) -> None:
    wave = make_sound(label, seed=3)
    assert np.isfinite(wave).all()
    assert 0.05 < np.abs(wave).max() <= 1.0
    assert len(wave) >= SAMPLE_RATE
    np.testing.assert_array_equal(wave, make_sound(label, seed=3))


def test_no_digit_word_is_ever_trained() -> None:
    assert not set(spoken_words()) & (set(DIGITS) | DIGIT_HOMOPHONES)


def test_log_mel_equals_the_processors_features() -> None:
    wave = make_sound("dog", seed=1)[: 3 * SAMPLE_RATE]
    extractor = build_processor().feature_extractor
    features = extractor(wave, sampling_rate=SAMPLE_RATE, return_tensors="pt", padding="max_length")
    own = scale(log_mel(wave)[None])[0].T
    torch.testing.assert_close(features["input_features"][0, :, : own.shape[1]], own)
    assert features["input_features"].shape[-1] == MAX_FRAMES


def test_tokenizer_keeps_left_padding_and_single_tokens(tmp_path: object) -> None:
    from transformers import AutoProcessor

    build_processor().save_pretrained(tmp_path)
    tokenizer = AutoProcessor.from_pretrained(tmp_path).tokenizer
    assert tokenizer.padding_side == "left"
    for name in (*SOUND_LABELS, *spoken_words(), *DIGITS, "A", " A", "Z"):
        assert len(tokenizer(name, add_special_tokens=False).input_ids) == 1, name
