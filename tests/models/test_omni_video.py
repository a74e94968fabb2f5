"""Clips with pictures, for each family that sees: batches, positions, whether pictures and sound count."""

import numpy as np
import pytest
import torch
from tiny_families import BUILDERS
from watching import o_proj_inputs

from calm_pl import FrozenLALM
from calm_pl.models.checks import QUESTIONS, sample_clips


@pytest.fixture(scope="module", params=["qwen2_5_omni", "qwen3_omni_moe"])
def lalm(request, tmp_path_factory):
    return FrozenLALM.from_pretrained(str(BUILDERS[request.param](tmp_path_factory.mktemp("omni") / "model")))


@pytest.fixture(scope="module")
def waves(lalm):
    return sample_clips(lalm.preparer)


@pytest.fixture(scope="module")
def videos():
    """Of different lengths, sizes and frame rates; 3 frames are an odd number."""
    rng = np.random.default_rng(0)
    shapes = (((6, 56, 84), 2.0), ((4, 40, 40), 4.0), ((3, 56, 56), 1.0))
    return [(rng.integers(0, 256, (*shape, 3), dtype=np.uint8), rate) for shape, rate in shapes]


def test_it_says_that_it_sees(lalm):
    assert lalm.preparer.modalities == ("audio", "video")
    assert "video_sha256" in lalm.preparer.describe()


def test_vectors_are_those_of_the_model_that_derives_its_own_positions(lalm, waves, videos):
    """The model works positions out itself where none are given and it is told whose the sound is."""
    for n in range(3):
        inputs = lalm.preparer(waves[n : n + 1], QUESTIONS[n : n + 1], videos[n : n + 1])
        with torch.no_grad(), o_proj_inputs(lalm.model) as kept:
            logits = lalm.model(**inputs, use_audio_in_video=True).logits[0, -1]
        expected = torch.cat([x_NTE[0, -1] for x_NTE in kept])
        output = lalm(inputs)
        torch.testing.assert_close(output.vectors_NHD[0].flatten(), expected, rtol=0, atol=1e-5)
        torch.testing.assert_close(output.logits_NV[0], logits, rtol=0, atol=1e-4)


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_batch_of_videos_equals_its_clips_alone(lalm, waves, videos, side, monkeypatch):
    monkeypatch.setattr(lalm.preparer.tokenizer, "padding_side", side)
    together = lalm(lalm.preparer(waves, QUESTIONS, videos))
    for n in range(3):
        alone = lalm(lalm.preparer(waves[n : n + 1], QUESTIONS[n : n + 1], videos[n : n + 1]))
        torch.testing.assert_close(together.vectors_NHD[n], alone.vectors_NHD[0], rtol=0, atol=1e-5)
        torch.testing.assert_close(together.logits_NV[n], alone.logits_NV[0], rtol=0, atol=1e-4)


def test_it_sees_and_hears_its_videos(lalm, waves, videos):
    def vectors(sound, video):
        return lalm.head_vectors(lalm.preparer(sound[:1], QUESTIONS[:1], [video]))

    real = vectors(waves, videos[0])
    black = vectors(waves, (np.zeros_like(videos[0][0]), videos[0][1]))
    silent = vectors([np.zeros_like(waves[0])], videos[0])
    slower = vectors(waves, (videos[0][0], 1.0))
    for other in (black, silent, slower):
        assert (other - real).norm() / real.norm() > 0.01


def test_answers_with_video_are_those_of_the_model_alone(lalm, waves, videos):
    said = lalm.generate(lalm.preparer(waves, QUESTIONS, videos), max_new_tokens=5)
    options = [["dog", "sea_waves"]] * 3
    scores_NO = lalm.option_text_scores(lalm.preparer(waves, QUESTIONS, videos), options)
    for n in range(3):
        inputs = lalm.preparer(waves[n : n + 1], QUESTIONS[n : n + 1], videos[n : n + 1])
        ids = lalm.model.generate(**inputs, use_audio_in_video=True, do_sample=False, max_new_tokens=5)
        new = ids[0, inputs["input_ids"].shape[1] :]
        assert said[n] == lalm.preparer.tokenizer.decode(new, skip_special_tokens=True).strip()
        answer = torch.tensor([lalm.preparer.tokenizer.encode("sea_waves", add_special_tokens=False)])
        inputs["input_ids"] = torch.cat([inputs["input_ids"], answer], 1)
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
        with torch.no_grad():
            logits = lalm.model(**inputs, use_audio_in_video=True).logits[0]
        log_p = torch.log_softmax(logits, -1)[-answer.shape[1] - 1 : -1]
        expected = log_p.gather(1, answer.T).mean()
        assert float(scores_NO[n, 1]) == pytest.approx(float(expected), abs=2e-5)
