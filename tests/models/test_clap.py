"""CLAP: embeddings of sound and text against transformers' own passes, windows, batches, refusals."""

import shutil

import numpy as np
import pytest
import soundfile
import torch
import transformers
from tiny_clap import build_clap

from calm_pl import FrozenLALM
from calm_pl.errors import ModelError
from calm_pl.models.checks import hearing_check, invariance_check
from calm_pl.models.clap import FrozenClap, load_frozen
from calm_pl.models.loading import load_preparer

RATE = 48_000
LABELS = ["dog", "sea_waves", "a rather long label of many words"]


@pytest.fixture(scope="module", params=["cut", "fused"])
def folder(request, tmp_path_factory):
    return build_clap(tmp_path_factory.mktemp("clap") / request.param, fused=request.param == "fused")


@pytest.fixture(scope="module")
def clap(folder):
    return load_frozen(str(folder))


def noise(samples, seed=0):
    return 0.1 * np.random.default_rng(seed).standard_normal(samples).astype(np.float32)


def embedded(clap, *clips):
    return clap(clap.preparer(clips, ["?"] * len(clips))).vectors_NHD


def test_short_clips_and_texts_are_those_of_the_whole_model(clap, folder):
    """transformers' own forward, all texts padded in one batch, tells the same."""
    processor, model = (
        one.from_pretrained(folder) for one in (transformers.ClapProcessor, transformers.ClapModel)
    )
    clips = [noise(30_000), noise(2 * RATE, 1)]
    texts = ["This is a sound of dog.", "This is a sound of sea waves.", f"This is a sound of {LABELS[2]}."]
    inputs = processor(text=texts, audio=clips, sampling_rate=RATE, return_tensors="pt", padding=True)
    inputs["is_longer"] = torch.zeros(2, 1, dtype=torch.bool)
    with torch.inference_mode():
        theirs = model.eval()(**inputs)
    x_NHD = embedded(clap, *clips)
    torch.testing.assert_close(x_NHD[:, 0], theirs.audio_embeds, atol=1e-5, rtol=0)
    scores_NO = clap.similarities(x_NHD[:, 0], [LABELS] * 2)
    torch.testing.assert_close(scores_NO, theirs.logits_per_audio, atol=1e-4, rtol=0)
    torch.testing.assert_close(
        clap.option_text_scores(clap.preparer(clips, ["?"] * 2), [LABELS] * 2), scores_NO
    )


def test_longer_clips_are_the_mean_of_their_windows_by_length(clap):
    long = noise(5 * RATE)
    expected = torch.zeros(24)
    for start, samples in ((0, 2 * RATE), (2 * RATE, 2 * RATE), (4 * RATE, RATE)):
        expected += samples * embedded(clap, long[start : start + samples])[0, 0]
    expected /= expected.square().sum() ** 0.5
    torch.testing.assert_close(embedded(clap, long)[0, 0], expected, atol=1e-5, rtol=0)


def test_nothing_is_drawn_at_random(clap, monkeypatch):
    """The processor cuts long clips at random places, and marks a short one of a fused batch at random."""

    def draws(*args, **kwargs):
        return 0

    first = embedded(clap, noise(5 * RATE), noise(RATE, 1))
    monkeypatch.setattr(np.random, "randint", draws)
    monkeypatch.setattr(np.random, "choice", draws)
    assert torch.equal(embedded(clap, noise(5 * RATE), noise(RATE, 1)), first)


def test_a_clip_does_not_depend_on_its_batch(clap):
    clips = [noise(5 * RATE), noise(7_000, 1), noise(2 * RATE, 2), noise(3 * RATE, 3)]
    together = embedded(clap, *clips)
    alone = torch.cat([embedded(clap, clip) for clip in clips])
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=0)
    torch.testing.assert_close(together.norm(dim=-1), torch.ones(4, 1))


def test_files_are_heard_at_48_khz_and_not_through_16(clap, tmp_path):
    time = np.arange(RATE) / RATE
    heard = []
    for name, pitch in (("high", 12_000), ("higher", 13_000)):  # nothing of either is left below 8 kHz
        soundfile.write(tmp_path / f"{name}.wav", 0.3 * np.sin(2 * np.pi * pitch * time), RATE)
        heard.append(embedded(clap, tmp_path / f"{name}.wav"))
    silence = embedded(clap, np.zeros(RATE, dtype=np.float32))
    assert (heard[0] - silence).norm() > 0.01
    assert (heard[0] - heard[1]).norm() > 0.01


def test_everything_is_float32_whatever_is_asked(clap, folder):
    narrow = load_frozen(str(folder), dtype="bfloat16", attn="sdpa")
    assert narrow.identity() == clap.identity()
    assert narrow.identity()["dtype"] == "float32"
    assert embedded(narrow, noise(RATE)).dtype == torch.float32


def test_its_checks_pass(clap):
    assert hearing_check(clap).audio_tokens == {}
    report = invariance_check(clap)
    assert (report.drift < 1e-5, report.logit_change, report.changed_predictions) == (True, 0, 0)


def test_a_deaf_model_is_found(clap, folder):
    deaf = load_frozen(str(folder))
    torch.nn.init.zeros_(deaf.model.audio_projection.linear1.weight)
    with pytest.raises(ModelError, match="does not hear"):
        hearing_check(deaf)


def test_identity_knows_template_and_processor(clap, folder, tmp_path):
    other = load_frozen(str(folder), clap_template="{}, heard from afar").identity()
    assert other != clap.identity()
    assert other["inputs"] | {"clap_template": ""} == clap.identity()["inputs"] | {"clap_template": ""}
    fused = "fused" in str(folder)
    padded = load_frozen(str(build_clap(tmp_path / "padded", fused=fused, padding="pad")))
    changed = {name for name, value in clap.identity().items() if padded.identity()[name] != value}
    assert changed == {"inputs"}


def test_labels_are_read_with_spaces(clap):
    assert torch.equal(*clap.text_embeddings(["car_horn", "car horn"]))
    assert clap.preparer.sentence("car_horn") == "This is a sound of car horn."
    braces = load_preparer(clap.path, clap_template="{}")
    assert braces.sentence("x{0}_{}") == "x{0} {}"


def test_the_size_of_an_embedding_stands_for_one_head(clap):
    assert clap.layout == (1, 1, 24)
    assert clap.encode([noise(9_000), noise(5 * RATE)], batch_size=1).shape == (2, 1, 24)


@pytest.mark.parametrize("template", ["no place", "{} and {}"])
def test_a_template_without_a_place_is_refused(folder, template):
    with pytest.raises(ModelError, match=r"must be a text that holds \{\} once"):
        load_frozen(str(folder), clap_template=template)


@pytest.mark.parametrize(
    "given",
    [{"mask": "m.safetensors"}, {"system_prompt": "Listen."}, {"last_n_tokens": 2}, {"quantization": "4bit"}],
)
def test_settings_of_language_models_are_refused(folder, given):
    with pytest.raises(ModelError, match=f"neither prompt nor heads: leave model.{next(iter(given))} out"):
        load_frozen(str(folder), **given)


def test_what_only_language_models_do_is_refused_in_a_sentence(clap):
    inputs = clap.preparer([noise(RATE)], ["?"])
    for asked in (
        lambda: clap.generate(inputs),
        lambda: clap.answer_scores(inputs, ["dog"]),
        lambda: clap.sample(inputs, None),
        lambda: clap(inputs, tower=True),
        lambda: clap.decoder,
        lambda: clap.use_mask(object()),
    ):
        with pytest.raises(ModelError, match="is a CLAP model, which has no"):
            asked()
    with pytest.raises(ModelError, match="takes no video"):
        clap.preparer([noise(RATE)], ["?"], [(np.zeros((1, 2, 2, 3), dtype=np.uint8), 1.0)])
    with pytest.raises(ModelError, match="chooses no letters"):
        clap.preparer.option_tokens("A")


def test_loading_goes_by_the_configuration(clap, folder, tiny_folder, lalm):
    assert isinstance(clap, FrozenClap)
    assert type(load_frozen(str(tiny_folder), clap_template="{}")) is FrozenLALM
    with pytest.raises(
        ModelError, match=r"no heads: fit-free and predict take it, and calm_pl\.models\.load_frozen"
    ):
        FrozenLALM.from_pretrained(str(folder))
    with pytest.raises(ModelError, match="is no CLAP model"):
        lalm.text_embeddings(["dog"])


def test_labels_longer_than_the_model_reads_are_refused(clap):
    with pytest.raises(ModelError, match="reads at most 64"):
        clap.text_embeddings(["wind " * 70])


def test_a_tokenizer_of_another_model_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"its padding is the token 1, but config\.json says 0"):
        load_frozen(str(build_clap(tmp_path / "clap", padding_id=0)))


def test_a_tokenizer_with_more_words_is_refused(clap, folder, tmp_path):
    shutil.copytree(folder, tmp_path / "clap")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["<new>"])
    tokenizer.save_pretrained(tmp_path / "clap")
    with pytest.raises(ModelError, match="but the model's vocabulary ends at"):
        load_frozen(str(tmp_path / "clap"))
