"""Every supported family, on a tiny model of its real classes: heads, padding, hearing, answers."""

import dataclasses
import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_families import BUILDERS
from watching import o_proj_inputs

from calm_pl import FrozenLALM
from calm_pl.errors import ModelError
from calm_pl.functional import sample_tokens
from calm_pl.models.checks import hearing_check, invariance_check
from calm_pl.models.families.table import FAMILIES
from calm_pl.models.rollouts import Draws

QUESTIONS = ["What? A. dog B. rain", "Which one?", "What caption does the given audio belong to? A. x B. y"]
LENGTHS = [30_011, 9_001, 20_700]
NEEDS = {"voxtral": "mistral_common", "gemma3n": "timm"}


def needed(name):
    package = NEEDS.get(name)
    missing = package is not None and importlib.util.find_spec(package) is None
    return pytest.param(name, marks=pytest.mark.skipif(missing, reason=f"{package} is not installed"))


@pytest.fixture(scope="module", params=[needed(name) for name in BUILDERS])
def folder(request, tmp_path_factory):
    return BUILDERS[request.param](Path(tmp_path_factory.mktemp("family")) / request.param)


@pytest.fixture(scope="module")
def lalm(folder):
    return FrozenLALM.from_pretrained(str(folder))


@pytest.fixture(scope="module")
def waves():
    rng = np.random.default_rng(0)
    return [0.1 * rng.standard_normal(n).astype(np.float32) for n in LENGTHS]


def plain_inputs(lalm, wave, question):
    """What the processor makes of one clip when nothing is asked of it: the full window, nothing trimmed."""
    preparer = lalm.preparer
    if preparer.has_own_template:
        return preparer([wave], [question])
    return preparer.processor(
        text=[preparer.prompt(question)], audio=[wave], return_tensors="pt", add_special_tokens=False
    )


def test_every_registered_family_is_tested():
    aliases = {"qwen2_5_omni_thinker", "qwen3_omni_moe_thinker"}
    assert set(BUILDERS) == set(FAMILIES) - aliases


def test_the_layout_is_the_configuration_of_the_text_decoder(lalm):
    text = lalm.model.config.get_text_config()
    head_dim = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    assert lalm.layout == (text.num_hidden_layers, text.num_attention_heads, head_dim)


def test_vectors_are_what_enters_o_proj_at_the_last_real_token(lalm, waves):
    """Whole layers kept by hooks on the model's own full pass of one clip with its full window."""
    text = lalm.model.config.get_text_config()
    for wave, question in zip(waves, QUESTIONS, strict=True):
        with torch.no_grad(), o_proj_inputs(lalm.model) as kept:
            logits = lalm.model(**plain_inputs(lalm, wave, question)).logits
        expected = [
            kept[layer][0, -1, head * lalm.layout.head_dim : (head + 1) * lalm.layout.head_dim]
            for layer in range(text.num_hidden_layers)
            for head in range(text.num_attention_heads)
        ]
        output = lalm(lalm.preparer([wave], [question]))
        torch.testing.assert_close(output.vectors_NHD[0], torch.stack(expected), rtol=0, atol=1e-5)
        torch.testing.assert_close(output.logits_NV[0], logits[0, -1], rtol=0, atol=1e-4)


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_batch_of_mixed_lengths_equals_its_clips_alone(lalm, waves, side, monkeypatch):
    monkeypatch.setattr(lalm.preparer.tokenizer, "padding_side", side)
    inputs = lalm.preparer(waves, QUESTIONS)
    outer = inputs["attention_mask"][:, 0 if side == "left" else -1]
    assert outer.tolist().count(1) < len(waves)  # there is padding, on that side
    together = lalm(inputs)
    for n in range(len(waves)):
        alone = lalm(lalm.preparer(waves[n : n + 1], QUESTIONS[n : n + 1]))
        torch.testing.assert_close(together.vectors_NHD[n], alone.vectors_NHD[0], rtol=0, atol=1e-5)
        torch.testing.assert_close(together.logits_NV[n], alone.logits_NV[0], rtol=0, atol=1e-4)


def states_of_sound(lalm, wave, question):
    """What the projector gets of one clip in the whole model's own pass, (states, E), without padding."""
    inputs, embedded, seen = plain_inputs(lalm, wave, question), [], []
    projector = lalm.family.tower.projector(lalm.model)
    handles = [
        lalm.decoder.layers[0].register_forward_pre_hook(lambda layer, args: embedded.append(args[0])),
        projector.register_forward_hook(lambda module, args, out: seen.append((args[0], out))),
    ]
    with torch.no_grad():
        lalm.model(**inputs)
    for handle in handles:
        handle.remove()
    states_TE = torch.cat([states.flatten(0, -2) for states, _ in seen])
    projected_TE = torch.cat([projected.flatten(0, -2) for _, projected in seen])
    tokens_TE = embedded[0][0, inputs["input_ids"][0] == lalm.preparer.audio_token_id]
    if lalm.family.tower.is_alone or projected_TE.shape[1] != tokens_TE.shape[1]:
        return states_TE.double().numpy()  # nothing is padded
    # Those that are embedded, in the order of the audio tokens, which are fewer where there is padding.
    places = torch.cdist(tokens_TE, projected_TE).argmin(1)
    torch.testing.assert_close(projected_TE[places], tokens_TE, rtol=0, atol=1e-5)
    return states_TE[places].double().numpy()


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_pooled_tower_is_of_the_sound_alone_in_any_batch(lalm, waves, side, monkeypatch):
    if lalm.family.tower is None:
        pytest.skip("this family has none")
    monkeypatch.setattr(lalm.preparer.tokenizer, "padding_side", side)
    inputs = lalm.preparer(waves, QUESTIONS)
    output = lalm(inputs, tower=True)
    assert torch.equal(output.vectors_NHD, lalm(inputs).vectors_NHD)  # it changes nothing else
    assert lalm(inputs).tower_N2E is None
    for n, (wave, question) in enumerate(zip(waves, QUESTIONS, strict=True)):
        states_TE = states_of_sound(lalm, wave, question)
        mean_E = sum(states_TE) / len(states_TE)
        deviation_E = np.sqrt(sum((state_E - mean_E) ** 2 for state_E in states_TE) / len(states_TE))
        found = output.tower_N2E[n].double().numpy()
        np.testing.assert_allclose(found, [mean_E, deviation_E], rtol=0, atol=2e-5)
        alone = lalm(lalm.preparer([wave], [question]), tower=True)
        torch.testing.assert_close(output.tower_N2E[n], alone.tower_N2E[0], rtol=0, atol=1e-5)
    sampled = lalm.sample(inputs, drawn(1.0, tokens=1), tower=True)
    assert torch.equal(sampled.output.tower_N2E, output.tower_N2E)


def test_a_family_whose_padding_is_among_its_states_is_refused_by_name(lalm, waves, monkeypatch):
    monkeypatch.setattr(lalm, "family", dataclasses.replace(lalm.family, tower=None))
    inputs = lalm.preparer(waves[:1], QUESTIONS[:1])
    name = type(lalm.model).__name__
    with pytest.raises(ModelError, match=f"{name}: methods that .* Leave them out of methods"):
        lalm(inputs, tower=True)
    with pytest.raises(ModelError, match="methods that read the audio tower"):
        lalm.sample(inputs, drawn(1.0, tokens=1), tower=True)
    assert lalm(inputs).tower_N2E is None


def test_eager_equals_sdpa(folder, lalm, waves):
    eager = FrozenLALM.from_pretrained(str(folder), attn="eager")
    assert eager.model.get_decoder().config._attn_implementation == "eager"
    inputs = lalm.preparer(waves, QUESTIONS)
    torch.testing.assert_close(eager(inputs).vectors_NHD, lalm(inputs).vectors_NHD, rtol=0, atol=1e-5)


def test_zeroing_a_head_equals_zeroing_its_columns(folder, waves):
    lalm = FrozenLALM.from_pretrained(str(folder))
    inputs = lalm.preparer(waves, QUESTIONS)
    attention = lalm.model.get_decoder().layers[1].self_attn
    whole = lalm(inputs)
    d = lalm.layout.head_dim
    head = slice(2 * d, 3 * d)

    def mute(module, args):
        x = args[0].clone()
        x[..., head] = 0
        return (x,)

    handle = attention.o_proj.register_forward_pre_hook(mute)
    muted = lalm(inputs)
    handle.remove()
    with torch.no_grad():
        attention.o_proj.weight[:, head] = 0
    assert torch.equal(muted.logits_NV, lalm(inputs).logits_NV)
    assert not torch.allclose(muted.logits_NV, whole.logits_NV)


def test_stopping_early_changes_nothing(lalm, waves):
    inputs = lalm.preparer(waves, QUESTIONS)
    before = lalm(inputs)
    assert torch.equal(lalm.head_vectors(inputs), before.vectors_NHD)
    assert torch.equal(lalm(inputs).logits_NV, before.logits_NV)  # it leaves no state behind


def test_layers_after_the_last_head_that_is_needed_are_not_run(lalm, waves):
    inputs, heads = lalm.preparer(waves, QUESTIONS), lalm.layout.heads_per_layer
    expected = lalm(inputs).vectors_NHD
    for needed, layers in ((1, 1), (heads, 1), (heads + 1, 2)):
        with o_proj_inputs(lalm.model) as kept:
            found = lalm.head_vectors(inputs, needed)
        assert len(kept) == layers
        assert torch.equal(found[:, : layers * heads], expected[:, : layers * heads])
        assert not found[:, layers * heads :].any()
        assert found.shape == expected.shape


def test_it_hears_and_does_not_depend_on_the_batch(lalm):
    hearing = hearing_check(lalm)
    assert min(hearing.silence_change, hearing.swap_change) > 0.01
    assert hearing.noise < 1e-5
    invariance = invariance_check(lalm)
    assert invariance.drift < 1e-5
    assert invariance.changed_predictions == 0


@pytest.mark.parametrize("samples", [4_000, 4_001, 15_999, 16_000, 16_160, 31_999, 32_000])
def test_audio_tokens_are_as_many_as_the_rule_says(lalm, samples):
    wave = np.random.default_rng(1).standard_normal(samples).astype(np.float32)
    ids = plain_inputs(lalm, wave, QUESTIONS[0])["input_ids"]
    assert lalm.preparer.audio_tokens(samples) == int((ids == lalm.preparer.audio_token_id).sum())


def test_option_texts_are_scored_as_without_a_cache(lalm, waves):
    options = [["dog", "sea_waves crackling", "x"], ["rain", "helicopter", "y"], ["clock", "zero one", "z"]]
    scores_NO = lalm.option_text_scores(lalm.preparer(waves, QUESTIONS), options)
    encode = lalm.preparer.tokenizer.encode
    for n, (wave, question) in enumerate(zip(waves, QUESTIONS, strict=True)):
        for o, text in enumerate(options[n]):
            inputs = dict(plain_inputs(lalm, wave, question))
            answer = torch.tensor([encode(text, add_special_tokens=False)])
            inputs["input_ids"] = torch.cat([inputs["input_ids"], answer], 1)
            inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
            with torch.no_grad():
                log_p = torch.log_softmax(lalm.model(**inputs).logits[0].float(), -1)
            steps = range(-answer.shape[1] - 1, -1)
            expected = sum(float(log_p[t, token]) for t, token in zip(steps, answer[0], strict=True))
            assert float(scores_NO[n, o]) == pytest.approx(expected / answer.shape[1], abs=2e-5)


def test_answers_of_a_batch_are_those_of_the_model_alone(lalm, waves):
    said = lalm.generate(lalm.preparer(waves, QUESTIONS), max_new_tokens=6)
    for n, (wave, question) in enumerate(zip(waves, QUESTIONS, strict=True)):
        inputs = plain_inputs(lalm, wave, question)
        ids = lalm.model.generate(**inputs, do_sample=False, max_new_tokens=6)
        new = ids[0, inputs["input_ids"].shape[1] :]
        assert said[n] == lalm.preparer.tokenizer.decode(new, skip_special_tokens=True).strip()


def drawn(top_p, rollouts=2, tokens=4):
    """Draws for the three clips: a temperature and a seed of its own for each rollout."""
    numbers = torch.arange(3 * rollouts).reshape(3, rollouts)
    return Draws(1 + 0.1 * numbers, 1_000_003 * numbers - 5, top_p, tokens)


def test_rollouts_are_those_sampled_without_a_cache_one_by_one(lalm, waves):
    draws = drawn(0.9)
    sampled = lalm.sample(lalm.preparer(waves, QUESTIONS), draws)
    tokenizer = lalm.preparer.tokenizer
    configured = lalm.model.generation_config.eos_token_id
    ends = {tokenizer.eos_token_id, *(configured if isinstance(configured, list) else [configured])}
    for n, (wave, question) in enumerate(zip(waves, QUESTIONS, strict=True)):
        for m, answer in enumerate(sampled.answers[n]):
            inputs, said = dict(plain_inputs(lalm, wave, question)), []
            for step in range(draws.max_new_tokens):
                with torch.no_grad():
                    logits_1V = lalm.model(**inputs).logits[:, -1].float()
                warm, seed = draws.temperature_NM[n, m : m + 1], draws.seed_NM[n, m : m + 1]
                token = sample_tokens(logits_1V, warm, draws.top_p, seed, step)
                if int(token) in ends:
                    break
                said.append(int(token))
                inputs["input_ids"] = torch.cat([inputs["input_ids"], token[:, None]], 1)
                inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
            assert answer == tokenizer.decode(said, skip_special_tokens=True).strip()
    assert len({text for texts in sampled.answers for text in texts}) > 3


def test_sampling_leaves_vectors_and_logits_as_they_are(lalm, waves):
    inputs = lalm.preparer(waves, QUESTIONS)
    output, sampled = lalm(inputs), lalm.sample(inputs, drawn(1.0, tokens=1))
    assert torch.equal(sampled.output.vectors_NHD, output.vectors_NHD)
    assert torch.equal(sampled.output.logits_NV, output.logits_NV)


def test_the_smallest_nucleus_answers_as_greedy_generation(lalm, waves):
    inputs = lalm.preparer(waves, QUESTIONS)
    sampled = lalm.sample(inputs, drawn(1e-9, tokens=6))
    assert sampled.answers == [[text] * 2 for text in lalm.generate(inputs, max_new_tokens=6)]


def test_the_preparer_says_what_shapes_its_inputs(lalm):
    described = lalm.preparer.describe()
    assert described == lalm.preparer.describe()
    assert described["sample_rate"] == 16_000
    assert "dog or rain" in lalm.preparer.prompt("dog or rain")
    assert lalm.preparer.prompt("").count(lalm.preparer.tokenizer.decode([lalm.preparer.audio_token_id])) == 1
    assert lalm.preparer.option_tokens("A") != lalm.preparer.option_tokens("B")


def test_a_system_prompt_comes_before_the_question_or_is_refused(folder, lalm, waves):
    text = "Answer only about rain."
    if lalm.preparer.has_own_template:
        with pytest.raises(ModelError, match=r"model\.system_prompt: .* without a chat template"):
            FrozenLALM.from_pretrained(str(folder), system_prompt=text)
        return
    told = FrozenLALM.from_pretrained(str(folder), system_prompt=text)
    prompt = told.preparer.prompt("Which one?")
    assert prompt.count(text) == 1
    assert prompt.index(text) < prompt.index(told.preparer.processor.audio_token) < prompt.index("Which one?")
    assert told.preparer.describe()["system_prompt"] == text
    assert told.identity() != lalm.identity()
    together = told(told.preparer(waves, QUESTIONS)).vectors_NHD
    alone = told(told.preparer(waves[1:2], QUESTIONS[1:2])).vectors_NHD
    torch.testing.assert_close(together[1], alone[0], rtol=0, atol=1e-5)
    assert not torch.allclose(together, lalm(lalm.preparer(waves, QUESTIONS)).vectors_NHD, atol=1e-3)


def test_an_instruct_model_leaves_no_doubts(lalm):
    assert lalm.doubts() == []


def test_a_preparer_travels_to_a_worker_process(lalm, waves):
    import pickle  # as DataLoader does where processes are spawned

    copy = pickle.loads(pickle.dumps(lalm.preparer))  # noqa: S301
    ours, theirs = lalm.preparer(waves, QUESTIONS), copy(waves, QUESTIONS)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


# Two questions about the first clip, one about the second, three about the third.
ASKED = [(0, 0), (0, 2), (1, 1), (2, 0), (2, 1), (2, 2)]


@pytest.mark.parametrize("last_n", [1, 2])
@pytest.mark.parametrize("side", ["left", "right"])
def test_questions_about_one_clip_share_it(lalm, waves, monkeypatch, last_n, side):
    monkeypatch.setattr(lalm.preparer.tokenizer, "padding_side", side)
    monkeypatch.setattr(lalm, "last_n_tokens", last_n)
    tower = lalm.family.tower is not None
    alone = [lalm(lalm.preparer([waves[n]], [QUESTIONS[q]]), tower) for n, q in ASKED]
    inputs = lalm.preparer([waves[n] for n, _ in ASKED], [QUESTIONS[q] for _, q in ASKED])
    prefilled = []
    prefill = lalm.family.prefill

    def counted(model, inputs, *args):
        prefilled.append(len(inputs["input_ids"]))
        return prefill(model, inputs, *args)

    monkeypatch.setattr(lalm, "family", dataclasses.replace(lalm.family, prefill=counted))
    shared = lalm(inputs, tower)
    assert prefilled == [3]
    for name in ("vectors_NHD", "logits_NV", "hidden_NE", *(["tower_N2E"] if tower else [])):
        expected = torch.cat([getattr(output, name) for output in alone])
        torch.testing.assert_close(getattr(shared, name), expected, rtol=1e-5, atol=1e-5)
    assert shared.vectors_NHD.shape == (6, lalm.layout.num_heads, lalm.layout.head_dim)
