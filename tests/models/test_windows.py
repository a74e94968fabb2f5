"""Clips of several windows, and towers whose window is cut, give what the whole model gives."""

import numpy as np
import pytest
import torch
from tiny_families import build_audio_flamingo_3, build_glm_asr, build_music_flamingo

from calm_pl import FrozenLALM
from calm_pl.models.families.whisper import window_frames

QUESTION = "Which one?"
BUILDERS = {"flamingo": build_audio_flamingo_3, "music": build_music_flamingo, "glm": build_glm_asr}


@pytest.fixture(scope="module", params=list(BUILDERS))
def lalm(request, tmp_path_factory):
    folder = BUILDERS[request.param](tmp_path_factory.mktemp("window") / request.param)
    return FrozenLALM.from_pretrained(str(folder))


def clip(samples):
    return np.random.default_rng(samples).standard_normal(samples).astype(np.float32)


def whole(lalm, wave):
    """Logits of the model's own pass over full windows."""
    inputs = lalm.preparer.processor(text=[lalm.preparer.prompt(QUESTION)], audio=[wave], return_tensors="pt")
    with torch.no_grad():
        return lalm.model(**inputs).logits[0, -1]


@pytest.mark.parametrize("samples", [3_201, 15_999, 31_840, 32_000, 32_800, 64_000, 75_001])
def test_one_clip(lalm, samples):
    output = lalm(lalm.preparer([clip(samples)], [QUESTION]))
    torch.testing.assert_close(output.logits_NV[0], whole(lalm, clip(samples)), rtol=0, atol=2e-5)


def test_clips_of_one_and_of_several_windows_together(lalm):
    waves = [clip(70_000), clip(9_000), clip(32_000)]
    together = lalm(lalm.preparer(waves, [QUESTION] * 3))
    for n, wave in enumerate(waves):
        torch.testing.assert_close(together.logits_NV[n], whole(lalm, wave), rtol=0, atol=2e-5)


def test_the_tower_is_left_as_it_was(lalm):
    tower = lalm.model.model.audio_tower
    before = {name: id(value) for name, value in [*tower.named_modules(), *tower.named_parameters()]}
    lalm(lalm.preparer([clip(9_000)], [QUESTION]))
    assert before == {name: id(value) for name, value in [*tower.named_modules(), *tower.named_parameters()]}


def test_window_frames_is_even_and_leaves_room():
    for frames in range(1, 50):
        assert window_frames(frames) % 2 == 0
        assert window_frames(frames) - frames in (2, 3)
