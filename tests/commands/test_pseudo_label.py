"""Pseudo-labels on the real command line: files, ranks, resuming, refusals. The bundled model answers."""

import csv
import json
import math
import shutil
from collections import Counter

import named_sets
import numpy as np
import pytest
import soundfile
import torch
from conftest import LEAN, command_line, make_esc50

from calm_pl import Calm, FrozenLALM, load_classifier
from calm_pl.data import BENCHMARKS
from calm_pl.data.benchmarks.esc50 import ESC50
from calm_pl.data.loading.base import FewShotDataModule
from calm_pl.data.settings import DataSettings

PLAIN = ["zero_shot", "sav", "calm_global", "calm"]
PSEUDO = ["sav+pl", "calm_global+pl", "calm+pl"]
MODEL = ("model.path=bundled:tiny_lalm", "model.dtype=float32", "trainer.accelerator=cpu")
VOTES = ("pseudo.rollouts=6", "pseudo.min_agreement=0.34", "data.shots=4", "data.n_options=3")
QUIET = (*LEAN, "data.num_workers=0")


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def results_of(folder):
    return json.loads((folder / "results.json").read_text())


@pytest.fixture(scope="module")
def base(tmp_path_factory, esc_root):
    """Overrides of a job on tones, and the folder of one that has finished."""
    folder = tmp_path_factory.mktemp("pseudo")
    job = ["data.benchmark=esc50", f"data.root={esc_root}", *MODEL, *VOTES, *QUIET, "trainer.devices=1"]
    page = "callbacks=[progress,run_record,predictions,figures,report,pseudo_labels]"
    done = command_line(folder, "fit-free", *job, "run.dir=run", "data.support_labels=pseudo", page)
    shutil.copytree(folder / "runs" / ".bank", folder / "bank_of_the_job")  # tests add to the other one
    return job, folder / "run", done


@pytest.fixture
def no_sampling(monkeypatch):
    """What has been sampled must not be sampled again."""

    def refuse(*args):
        raise AssertionError("sampled again")

    monkeypatch.setattr(FrozenLALM, "sample", refuse)


def test_methods_on_pseudo_labels_stand_beside_the_others(base):
    _, folder, done = base
    methods = results_of(folder)["methods"]
    assert list(methods) == PLAIN + PSEUDO
    for word in ("SAVs+PL", "CALM-Global+PL", "CALM+PL", "Pseudo-labels by 6 rollouts per clip"):
        assert word in done.stdout
        assert word in (folder / "report.html").read_text()
    predictions = rows_of(folder / "predictions.csv")
    for name in PSEUDO:
        right = sum(row[name] == row["label"] for row in predictions)
        assert methods[name]["accuracy"] == pytest.approx(right / len(predictions), abs=1e-6)


def test_every_support_clip_is_in_one_of_the_two_files(base):
    _, folder, _ = base
    kept, rejected = rows_of(folder / "pseudo_labels.csv"), rows_of(folder / "rejected.csv")
    entry = results_of(folder)["pseudo_labels"]
    assert entry == json.loads((folder / "pseudo_labels.json").read_text())
    assert kept
    assert rejected
    assert len({row["clip"] for row in kept + rejected}) == len(kept) + len(rejected) == 12 == entry["n"]
    assert entry["kept"] == len(kept)
    assert entry["rejected"] == dict(Counter(row["reason"] for row in rejected))
    right = sum(row["label"] == row["truth"] for row in kept)
    assert entry["accuracy"] == pytest.approx(right / len(kept), abs=1e-6)
    classes = ["dog", "rain", "siren"]
    labels = {row["label"] for row in kept}
    assert entry["classes_without_label"] == [label for label in classes if label not in labels]
    answers = [one for row in kept + rejected for one in row["answers"].split("|")]
    assert entry["unparsed_rollouts"] == pytest.approx(answers.count("?") / len(answers), abs=1e-6)
    for row in kept + rejected:
        named, said = row["answers"].split("|"), json.loads(row["said"])
        assert len(named) == len(said) == 6
        counts = Counter(one for one in named if one != "?")
        best = max(counts.values(), default=0)
        assert float(row["agreement"]) == pytest.approx(best / 6, abs=1e-6)
        assert set(counts) <= set(row["shown"].split("|"))
        assert row["truth"] in row["shown"].split("|")
        for name, words in zip(named, said, strict=True):
            if words in ("A", "B", "C"):
                assert name == row["shown"].split("|")["ABC".index(words)]
        if "label" in row:
            assert counts[row["label"]] == best == int(row["votes"])
            assert [label for label, count in counts.items() if count == best] == [row["label"]]
            assert best / 6 >= 0.34
    assert (folder / "classifier_pl.safetensors").is_file()


def test_a_method_on_pseudo_labels_is_the_voter_fitted_on_the_listed_ones(base, esc_root):
    _, folder, _ = base
    lalm = FrozenLALM.from_pretrained("bundled:tiny_lalm", dtype="float32")
    data = FewShotDataModule(
        ESC50(DataSettings(str(esc_root), shots=4, n_options=3, num_workers=0)), lalm.preparer
    )
    data.prepare()

    def vectors(loader, queries):
        parts = [(batch.index_N.tolist(), lalm(batch.passes[0].inputs).vectors_NHD) for batch in loader]
        return {queries[n].clip.id: x for index, block in parts for n, x in zip(index, block, strict=True)}

    support = vectors(data.val_dataloader(), data.support)
    query = vectors(data.test_dataloader(), data.query)
    kept = rows_of(folder / "pseudo_labels.csv")
    alone = Calm().fit(torch.stack([support[row["clip"]] for row in kept]), [row["label"] for row in kept])
    rows = rows_of(folder / "predictions.csv")
    said = alone.predict(torch.stack([query[row["clip"]] for row in rows]))
    assert said.tolist() == [row["calm+pl"] for row in rows]
    saved = load_classifier(folder / "classifier_pl.safetensors")
    assert set(saved.classes) == {row["label"] for row in kept}
    assert list(saved.voters) == ["sav", "calm_global", "calm"]
    again = saved.voters["calm"].predict(torch.stack([query[row["clip"]] for row in rows]))
    assert again.tolist() == said.tolist()


def same(one, other):
    for name in ("pseudo_labels.csv", "rejected.csv", "pseudo_labels.json"):
        assert (one / name).read_text() == (other / name).read_text()
    assert results_of(one)["methods"] == results_of(other)["methods"]
    for a, b in zip(rows_of(one / "predictions.csv"), rows_of(other / "predictions.csv"), strict=True):
        assert [v for k, v in a.items() if not k.endswith("confidence")] == [
            v for k, v in b.items() if not k.endswith("confidence")
        ]


def test_batch_size_and_workers_change_nothing(base, call, tmp_path):
    job, folder, _ = base
    other = ("data.batch_size=1", "data.num_workers=1", "run.dir=run", "data.support_labels=pseudo")
    assert call("fit-free", *job, *other).returncode == 0
    same(folder, tmp_path / "run")


def test_two_ranks_change_nothing(base, call, launch, tmp_path):
    """Neither to the votes nor to what self-training makes of them."""
    job, folder, _ = base
    bank = f"bank.dir={folder.parent / 'runs' / '.bank'}"
    train = ("data.support_labels=pseudo", "pseudo.rounds=1", "pseudo.min_posterior=0.4")
    assert call("fit-free", *job, *train, bank, "run.dir=one").returncode == 0
    launch("fit-free", *job, *train, "trainer.devices=2", "data.batch_size=2", "run.dir=two", check=True)
    one, two = tmp_path / "one", tmp_path / "two"
    for name in FILES:
        for a, b in zip(rows_of(one / name), rows_of(two / name), strict=True):
            p, q = a.pop("posterior", "0"), b.pop("posterior", "0")
            assert float(p) == pytest.approx(float(q), abs=1e-5)
            assert a == b
    first, second = results_of(one), results_of(two)
    assert first["methods"] == second["methods"]
    assert first["pseudo_labels"] == second["pseudo_labels"]
    voted = first["pseudo_labels"]["rounds"][0]["steps"][0]
    assert voted["kept"] == results_of(folder)["pseudo_labels"]["kept"]


def test_what_was_sampled_is_not_sampled_again(base, call, tmp_path, no_sampling):
    job, folder, _ = base
    bank = f"bank.dir={folder.parent / 'runs' / '.bank'}"
    result = call("fit-free", *job, bank, "data.support_labels=pseudo", "run.dir=again")
    assert result.returncode == 0, result.stderr
    same(folder, tmp_path / "again")
    # Nor by the other command, and with another threshold.
    result = call("pseudo-label", *job, bank, "run.dir=labels")
    assert result.returncode == 0, result.stderr
    text = (tmp_path / "labels" / "pseudo_labels.csv").read_text()
    assert text == (folder / "pseudo_labels.csv").read_text()
    assert "12 cached" in result.stderr
    result = call("pseudo-label", *job, bank, "run.dir=strict", "pseudo.min_agreement=1")
    assert result.returncode == 0, result.stderr
    kept = {row["clip"] for row in rows_of(tmp_path / "strict" / "pseudo_labels.csv")}
    unanimous = [row["clip"] for row in rows_of(folder / "pseudo_labels.csv") if row["votes"] == "6"]
    assert kept == set(unanimous)


def test_only_answers_that_were_lost_are_sampled_again(base, call, tmp_path, monkeypatch):
    job, folder, _ = base
    shutil.copytree(folder.parent / "bank_of_the_job", tmp_path / "bank")
    (path,) = (tmp_path / "bank" / "answers").rglob("*.jsonl")
    path.write_bytes(path.read_bytes()[:-9])  # the last line is torn, as a power cut leaves it
    sample, rows = FrozenLALM.sample, []
    monkeypatch.setattr(FrozenLALM, "sample", lambda *a: rows.append(len(a[2].seed_NM)) or sample(*a))
    result = call("pseudo-label", *job, "bank.dir=bank", "run.dir=labels")
    assert result.returncode == 0, result.stderr
    assert rows == [1]
    assert (tmp_path / "labels" / "pseudo_labels.csv").read_text() == (
        folder / "pseudo_labels.csv"
    ).read_text()


def test_other_sampling_is_sampled_anew_and_other_seeds_differ(base, call, tmp_path):
    job, folder, _ = base
    bank = f"bank.dir={folder.parent / 'runs' / '.bank'}"
    assert call("pseudo-label", *job, bank, "run.dir=seed", "pseudo.seed=1").returncode == 0
    said = [
        {row["clip"]: row["said"] for name in names for row in rows_of(where / name)}
        for where, names in ((folder, FILES), (tmp_path / "seed", FILES))
    ]
    assert said[0].keys() == said[1].keys()
    assert sum(said[0][clip] != said[1][clip] for clip in said[0]) > 6


FILES = ("pseudo_labels.csv", "rejected.csv")


def test_the_list_is_a_manifest(base, call, tmp_path, esc_root):
    _, folder, _ = base
    kept = rows_of(folder / "pseudo_labels.csv")
    names = {row["label"] for row in kept}
    query = tmp_path / "query.csv"
    rows = [row for row in rows_of(folder / "predictions.csv") if row["label"] in names]
    query.write_text("path,label\n" + "".join(f"audio/{row['clip']},{row['label']}\n" for row in rows))
    result = call(
        *("fit-free", *MODEL, *QUIET, "trainer.devices=1", "data.benchmark=manifest", "run.dir=run"),
        *(f"data.manifest={folder / 'pseudo_labels.csv'}", f"data.query_manifest={query}"),
        *(f"data.root={esc_root}", "data.shots=null", "methods=[calm]"),
    )
    assert result.returncode == 0, result.stderr
    assert results_of(tmp_path / "run")["n_support"] == len(kept)


def test_the_whole_pool_and_self_training(base, call, tmp_path):
    job, folder, _ = base
    bank = f"bank.dir={folder.parent / 'runs' / '.bank'}"
    rounds = ("pseudo.rounds=1", "pseudo.min_posterior=0.4")
    result = call("pseudo-label", *job, bank, "run.dir=pool", "--whole-pool", *rounds)
    assert result.returncode == 0, result.stderr
    kept, rejected = (rows_of(tmp_path / "pool" / name) for name in FILES)
    assert len(kept) + len(rejected) == 36  # four folds
    assert min(float(row["posterior"]) for row in kept) >= 0.4
    assert {row["reason"] for row in rejected} <= {"low posterior"}
    entry = json.loads((tmp_path / "pool" / "pseudo_labels.json").read_text())
    before, after = entry["rounds"][0]["steps"]
    assert before["n"] == after["n"] == 36
    assert after["kept"] == entry["kept"] == len(kept)
    assert "after self-training 1" in result.stdout


def test_clips_that_nobody_labelled_have_every_class_among_their_options(base, call, tmp_path):
    job, _, _ = base
    rng = np.random.default_rng(0)
    wild = tmp_path / "wild" / "deep"
    wild.mkdir(parents=True)
    for n in range(3):
        soundfile.write(wild / f"{n}.wav", 0.1 * rng.standard_normal(8_000), 16_000)
    (tmp_path / "wild" / "bad.wav").write_text("no sound")
    skip = ("data.on_bad_clip=skip", "data.max_skipped_fraction=0.5", "pseudo.min_agreement=0.01")
    result = call("pseudo-label", *job, "run.dir=run", "--unlabelled", "wild", *skip)
    assert result.returncode == 0, result.stderr
    kept, rejected = (rows_of(tmp_path / "run" / name) for name in FILES)
    assert {row["clip"] for row in kept + rejected} == {"bad.wav", "deep/0.wav", "deep/1.wav", "deep/2.wav"}
    for row in kept + rejected:
        assert row["truth"] == ""
        assert sorted(row["shown"].split("|")) == ["dog", "rain", "siren"]
        assert row["path"] == row["clip"]
    (bad,) = [row for row in rejected if row["reason"] == "unreadable"]
    assert "bad.wav" in bad["error"]
    entry = json.loads((tmp_path / "run" / "pseudo_labels.json").read_text())
    assert entry["accuracy"] is None
    assert "so voters on" in result.stdout


def test_several_labels_a_clip_are_voted_on_question_by_question(call, tmp_path, monkeypatch):
    monkeypatch.setitem(BENCHMARKS, "several", "named_sets:Several")
    root = named_sets.write(tmp_path / "sounds", named_sets.SEVERAL)
    job = ("data.benchmark=several", f"data.root={root}", *MODEL, *QUIET, "trainer.devices=1", "data.shots=3")
    votes = ("pseudo.rollouts=4", "pseudo.min_agreement=0.26", "data.draws=2", "data.support_labels=pseudo")
    result = call("fit-free", *job, *votes, "data.candidates=options", "run.dir=run")
    assert result.returncode == 0, result.stderr
    results = results_of(tmp_path / "run")
    assert list(results["methods"]) == PLAIN + PSEUDO
    assert [one["draw"] for one in results["pseudo_labels"]["rounds"]] == [0, 1]
    rows = [row for name in FILES for row in rows_of(tmp_path / "run" / name)]
    asked = Counter((row["clip"], row["truth"]) for row in rows)
    assert max(asked.values()) == 1
    assert len({clip for clip, _ in asked}) < len(asked)  # some clips are asked about twice
    assert results["methods"]["calm+pl"]["map"] is not None
    for row in rows_of(tmp_path / "run" / "predictions.csv"):
        # Among the options, where any of them has a pseudo-label; else nothing.
        assert row["calm+pl"] in (*row["options"].split("|"), "")


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["data.n_options=0"], ["data.n_options", "votes among options", "zero-shot"]),
        (["pseudo.temperature_low=3"], ["pseudo.temperature_high: must be 3, temperature_low, or more"]),
        (["pseudo.top_p=0"], ["pseudo.top_p: must be above 0 and at most 1"]),
        (
            ["pseudo.rounds=1", "methods=[sav]"],
            ["methods: must name calm, which labels clips in self-training"],
        ),
    ],
)
def test_settings_that_cannot_be(base, call, overrides, words):
    job, _, _ = base
    result = call("pseudo-label", *job, *overrides, "run.dir=run")
    assert result.returncode == 1
    for word in words:
        assert word in result.stderr


def test_too_few_classes_stop_the_run_with_advice(base, call):
    job, folder, _ = base
    bank = f"bank.dir={folder.parent / 'runs' / '.bank'}"
    silent = ("pseudo.max_new_tokens=1", "pseudo.temperature_low=50", "pseudo.temperature_high=60")
    result = call("fit-free", *job, bank, *silent, "pseudo.min_agreement=1", "run.dir=run", PL)
    assert result.returncode == 1
    assert "but fitting needs two classes. Lower pseudo.min_agreement" in result.stderr
    assert "Traceback" not in result.stderr
    result = call("pseudo-label", *job, bank, *silent, "pseudo.min_agreement=1", "run.dir=labels")
    assert result.returncode == 0  # it only says so
    assert "have no pseudo-label" in result.stdout


PL = "data.support_labels=pseudo"


def test_a_clip_that_cannot_be_read_is_reported(base, call, tmp_path):
    job, _, _ = base
    root = make_esc50(tmp_path / "spoilt")
    skip = (f"data.root={root}", "data.on_bad_clip=skip", "data.max_skipped_fraction=0.5")
    broken = sorted((root / "audio").glob("[2-5]-*-0.wav"))[:4]
    for path in broken:
        path.write_bytes(b"")
    result = call("fit-free", *job, *skip, PL, "data.shots=null", "run.dir=run", "methods=[calm]")
    assert result.returncode == 0, result.stderr
    found = [row for row in rows_of(tmp_path / "run" / "rejected.csv") if row["reason"] == "unreadable"]
    assert {row["clip"] for row in found} == {path.name for path in broken}
    assert all(row["clip"] in row["error"] for row in found)
    assert "4 unreadable" in " ".join(result.stdout.split())
    assert math.isfinite(results_of(tmp_path / "run")["methods"]["calm+pl"]["accuracy"])
