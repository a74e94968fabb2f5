"""A second run needs neither weights nor sound, and gives what a run without a bank gives."""

import csv
import json
import os
import shutil

import pytest
import torch
from conftest import make_esc50
from safetensors.torch import load_file, save_file

from calm_pl import FrozenLALM
from calm_pl.bank import HeadBank
from calm_pl.media import Decoder


@pytest.fixture
def root(tmp_path):
    """A data set of its own, to change."""
    return make_esc50(tmp_path / "esc")


@pytest.fixture
def counts(monkeypatch):
    """How often weights were loaded, sounds decoded, and questions encoded; tests may set them back."""
    from calm_pl.evaluation import encoding

    counts = {}
    load, audio, encode = FrozenLALM.from_pretrained.__func__, Decoder.audio, encoding.encode

    def counted(name, amount=1):
        counts[name] = counts.get(name, 0) + amount

    def loaded(cls, *args, **kwargs):
        counted("loaded")
        return load(cls, *args, **kwargs)

    def decoded(self, *args):
        counted("decoded")
        return audio(self, *args)

    def encoded(lalm, batch, *args):
        result = encode(lalm, batch, *args)  # one that does not fit raises
        counted("encoded", len(batch.index_N))
        return result

    monkeypatch.setattr(FrozenLALM, "from_pretrained", classmethod(loaded))
    monkeypatch.setattr(Decoder, "audio", decoded)
    monkeypatch.setattr(encoding, "encode", encoded)
    return counts


@pytest.fixture
def job(call, small_job, root, tmp_path, counts):
    """Run a job of 6 support and 9 query clips, one a batch; what it found, and what it cost."""
    number = iter(range(100))

    def run(*args, status=0):
        counts.clear()
        folder = tmp_path / f"run{next(number)}"
        fixed = (f"data.root={root}", "data.shots=2", "data.batch_size=1", "wandb.mode=disabled")
        quiet = ("callbacks=[progress,predictions,run_record]", f"run.dir={folder}", "bank.dir=bank")
        result = call("fit-free", *small_job, *fixed, *quiet, *args)
        assert result.returncode == status, result.stdout + result.stderr
        if status:
            return result
        with (folder / "predictions.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        methods = json.loads((folder / "results.json").read_text())["methods"]
        fitted = load_file(folder / "classifier.safetensors")
        return (methods, rows, fitted), dict(counts), result

    return run


def same(one, other):
    """Equal metrics, predictions and confidences as written, and tensors of the classifiers to the bit."""
    equal = all(torch.equal(one[2][name], other[2][name]) for name in one[2])
    return one[:2] == other[:2] and one[2].keys() == other[2].keys() and equal


NOTHING: dict[str, int] = {}


def test_other_voters_shots_and_seeds_need_no_model_and_no_sound(job):
    _, cost, first = job("data.shots=12", "data.seed=3")  # all 36 of the pool
    assert cost == {"loaded": 1, "decoded": 45, "encoded": 45}
    assert ", 0 cached" in first.stderr
    assert "s left, " not in first.stderr
    settings = ("data.n_options=0", "methods=[sav,calm_global,calm]")
    job("data.shots=12", *settings)
    for other in (
        ("voter.tau_p=0.2", "voter.tau_w=0.3"),
        ("voter.top_k=5", "voter.sav_top_k=3"),
        ("data.shots=1", "data.seed=7"),
    ):
        found, cost, result = job(*settings, *other)
        assert cost == NOTHING, other
        assert "query: 9 of 9 clips" in result.stderr
        assert "9 cached" in result.stderr
        expected, cost, _ = job(*settings, *other, "bank.dir=null")
        assert cost["encoded"] == cost["decoded"] == len(expected[1]) + (3 if "data.shots=1" in other else 6)
        assert same(found, expected), other


def test_whatever_can_change_a_vector_misses(job, tiny_folder, root, tmp_path):
    from calm_pl.models.tiny import build_tiny

    _, cost, _ = job()
    assert cost["encoded"] == 15
    for other in (
        "data.question=What is it?",
        "data.n_options=2",
        "model.dtype=bfloat16",
        "model.attn=eager",
        "model.last_n_tokens=2",
        "data.long_clips=center",
        f"model.path={build_tiny(tmp_path / 'seed1', seed=1, window_seconds=2)}",
    ):
        assert job(other)[1].get("encoded") == 15, other
    assert job()[1] == NOTHING


def test_a_fine_tune_of_equal_size_and_time_is_another_model(job, tiny_folder, tmp_path):
    folder = shutil.copytree(tiny_folder, tmp_path / "model")
    weights = folder / "model.safetensors"
    first, _, _ = job(f"model.path={folder}")
    stat, tensors = weights.stat(), load_file(weights)
    name = "language_model.model.layers.0.self_attn.v_proj.weight"
    (name,) = [one for one in tensors if one.endswith(name.removeprefix("language_model."))]
    tensors[name][3] *= 1.5
    save_file(tensors, weights, metadata={"format": "pt"})
    os.utime(weights, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert (weights.stat().st_size, weights.stat().st_mtime_ns) == (stat.st_size, stat.st_mtime_ns)
    found, cost, _ = job(f"model.path={folder}")
    assert cost["encoded"] == 15
    assert same(found, job(f"model.path={folder}", "bank.dir=null")[0])
    assert not same(found, first)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [("config.json", '"rms_norm_eps": 1e-06', '"rms_norm_eps": 1e-03'), ("tokenizer.json", "merges", None)],
)
def test_other_settings_or_tokens_with_equal_weights_are_another_model(
    job, tiny_folder, tmp_path, file, old, new
):
    folder = shutil.copytree(tiny_folder, tmp_path / "model")
    job(f"model.path={folder}")
    text = (folder / file).read_text()
    if new is None:  # the merge of "W" and "hat" is gone: the same prompt has other tokens
        rules = json.loads(text)
        rules["model"]["merges"] = rules["model"]["merges"][:-40]
        (folder / file).write_text(json.dumps(rules))
    else:
        assert old in text
        (folder / file).write_text(text.replace(old, new))
    assert job(f"model.path={folder}")[1]["encoded"] == 15


def test_a_changed_sound_file_costs_that_clip_alone(job, root):
    first, _, _ = job()
    path = sorted((root / "audio").glob("1-*.wav"))[0]
    data = bytearray(path.read_bytes())
    data[1000] ^= 64
    path.write_bytes(data)
    found, cost, _ = job()
    assert cost == {"loaded": 1, "decoded": 1, "encoded": 1}
    assert same(found, job("bank.dir=null")[0])
    assert not same(found, first)


def test_a_model_elsewhere_is_the_same_model(job, tiny_folder, tmp_path):
    job()
    moved = shutil.copytree(tiny_folder, tmp_path / "moved")  # keeps times
    assert job(f"model.path={moved}")[1] == NOTHING


def test_a_damaged_record_is_computed_again(job, tmp_path):
    first, _, _ = job()
    (shard,) = (tmp_path / "bank" / "shards").iterdir()
    data = bytearray(shard.read_bytes())
    data[-3_000] ^= 1
    shard.write_bytes(data)
    found, cost, _ = job()
    assert cost["encoded"] >= 1
    assert same(found, first)
    again, cost, _ = job()
    assert cost == NOTHING
    assert same(again, first)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_rounding_bank_gives_the_same_the_first_time(job, dtype, tmp_path):
    first, cost, _ = job(f"bank.dtype={dtype}")
    assert cost["encoded"] == 15
    second, cost, _ = job(f"bank.dtype={dtype}")
    assert cost == NOTHING
    assert same(first, second)
    assert job()[1]["encoded"] == 15  # exact vectors were asked for
    assert len(HeadBank(tmp_path / "bank")) == 15


# Memory


@pytest.fixture
def small_memory(monkeypatch):
    """Passes of more than a number of rows do not fit; the rows of every pass that was tried."""
    tried = []
    forward = FrozenLALM.forward

    def limit(most):
        def limited(self, inputs, *more, **named):
            rows = len(inputs["attention_mask"])
            tried.append(rows)
            if rows > most:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate more than there is.")
            return forward(self, inputs, *more, **named)

        monkeypatch.setattr(FrozenLALM, "forward", limited)
        return tried

    return limit


@pytest.mark.parametrize("num_workers", [0, 1])
def test_batches_that_do_not_fit_are_halved_and_stay_so(job, small_memory, num_workers, caplog):
    large = ("data.batch_size=8", "data.shots=12", f"data.num_workers={num_workers}", "bank.dir=null")
    whole, _, _ = job(*large)
    tried = small_memory(3)
    halved, cost, _ = job(*large, "model.self_check=false")
    assert cost["encoded"] == 45
    assert tried[:3] == [8, 4, 2]
    assert "Out of memory with 8 clips per pass; continuing with 4." in caplog.text
    assert max(tried[-9:]) <= 2  # remembered, also by the processes that collate
    assert tried.count(8) <= 1 + 3 * num_workers  # those that were collated before
    for one, other in zip(whole[1], halved[1], strict=True):
        for name in one:
            if name.endswith("confidence"):
                assert float(one[name]) == pytest.approx(float(other[name]), abs=1e-4)
            else:
                assert one[name] == other[name]


def test_one_clip_that_does_not_fit_stops_with_advice(job, small_memory):
    small_memory(0)
    result = job("data.batch_size=4", "model.self_check=false", status=1)
    assert "A single clip does not fit into memory" in result.stderr
    assert "model.dtype=bfloat16" in result.stderr
    assert "Traceback" not in result.stderr


# Self-check


def test_the_self_check_runs_once_before_the_first_batch(job, monkeypatch):
    from calm_pl.models import deferred

    seen = []
    check = deferred.hearing_check
    monkeypatch.setattr(deferred, "hearing_check", lambda lalm: seen.append("check") or check(lalm))
    job()
    assert seen == ["check"]
    job()
    assert seen == ["check"]  # nothing is encoded, so nothing needs checking
    job("data.question=And this?", "model.self_check=false")
    assert seen == ["check"]


def test_a_model_that_does_not_hear_stops_the_job(job, tiny_folder, tmp_path):
    """Files alone: a checkpoint whose projector gives nothing but its bias."""
    import shutil

    from safetensors.torch import save_file

    deaf = shutil.copytree(tiny_folder, tmp_path / "deaf")
    weights = load_file(deaf / "model.safetensors")
    silenced = [name for name in weights if "multi_modal_projector" in name and name.endswith("weight")]
    assert silenced
    for name in silenced:
        weights[name] = torch.zeros_like(weights[name])
    save_file(weights, deaf / "model.safetensors", {"format": "pt"})
    result = job(f"model.path={deaf}", status=1)
    assert "The model does not hear" in result.stderr
    assert "Traceback" not in result.stderr
    assert job(f"model.path={deaf}", "model.self_check=false")[1]["encoded"] == 15


def test_scores_of_letters_are_not_taken_for_those_of_texts(job):
    (methods, _, _), _, _ = job("zero_shot=text", "methods=[zero_shot,calm]", "bank.dir=other")
    job("zero_shot=text", "methods=[calm]")  # the bank gets scores of letters
    (again, _, _), counts, _ = job("zero_shot=text", "methods=[zero_shot,calm]")
    assert counts["encoded"] == 15
    assert again == methods
