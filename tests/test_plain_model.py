"""The second bundled model names sounds it never heard, and its heads work on recordings."""

import numpy as np
import pytest
import torch

import calm_pl
from calm_pl import FrozenLALM
from tiny_lalm.sounds import make_sound
from tiny_lalm.vocabulary import SOUND_LABELS, SOUND_QUESTION

QUIET = {"trainer.accelerator": "cpu", "data.num_workers": 0, "trainer.enable_progress_bar": False}
UNSEEN = 90_000_000  # beyond every seed of the training plan


@pytest.fixture(scope="module")
def plain():
    return FrozenLALM.from_pretrained("bundled:plain_lalm", dtype="float32")


def test_it_has_the_other_bundled_model_s_tower_and_as_many_heads(plain):
    other = FrozenLALM.from_pretrained("bundled:tiny_lalm", dtype="float32")
    assert plain.layout.num_layers * plain.layout.heads_per_layer == 40
    assert plain.layout.heads_per_layer == other.layout.heads_per_layer
    own, its = (
        {k.split("audio_tower.")[1]: v for k, v in one.state_dict().items() if "audio_tower." in k}
        for one in (plain, other)
    )
    assert len(own) > 60
    assert own.keys() == its.keys()
    assert all(torch.equal(own[name], its[name]) for name in own)


def test_sounds_never_heard_in_training_are_named(plain):
    waves = [
        make_sound(label, UNSEEN + c).astype(np.float32)[:80_000] for c, label in enumerate(SOUND_LABELS)
    ]
    tokenizer = plain.preparer.processor.tokenizer
    names = torch.tensor([tokenizer.convert_tokens_to_ids(label) for label in SOUND_LABELS])
    logits = []
    for start in range(0, len(waves), 27):
        some = waves[start : start + 27]
        logits.append(plain(plain.preparer(some, [SOUND_QUESTION] * len(some))).logits_NV[:, names])
    named = torch.cat(logits).argmax(1) == torch.arange(len(names))
    assert named.double().mean() >= 0.5  # chance is 1/81


@pytest.mark.job
def test_calm_on_real_recordings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = calm_pl.evaluate("bundled:plain_lalm", "demo", methods=["calm"], n_options=0, settings=QUIET)
    assert result.run.methods["calm"]["accuracy"] >= 0.65  # chance is 0.1
