"""CLAP as the model of a job, on the real command line: rows, bank, checks, refusals, against slow loops."""

import csv
import json
import math
from collections import Counter

import named_sets
import numpy as np
import pytest
import torch
import transformers
import wandb
from conftest import LEAN, command_line
from tiny_clap import build_clap

from calm_pl.media import load_audio

METHODS = (
    *("zero_shot", "zero_shot_all_classes", "nearest_centroid", "knn"),
    *("tip_adapter", "tip_adapter_zero_shot", "logistic_regression", "gda"),
)
SHOWN = ("callbacks=[progress,run_record,predictions,figures,report]", "wandb.mode=disabled")
CLASSES = ("dog", "rain", "siren")


@pytest.fixture(scope="module")
def clap_folder(tmp_path_factory):
    return build_clap(tmp_path_factory.mktemp("models") / "clap")


@pytest.fixture(scope="module")
def job(esc_root, clap_folder):
    return [
        *("data.benchmark=esc50", f"data.root={esc_root}", f"model.path={clap_folder}", "data.shots=4"),
        *("data.n_options=2", "data.draws=2", "data.num_workers=0", "run.dir=run"),
        *("trainer.accelerator=cpu", "trainer.devices=1", "model.dtype=bfloat16"),
    ]


@pytest.fixture(scope="module")
def ended(tmp_path_factory, job):
    """The folder of a job with figures and page, and what it printed."""
    folder = tmp_path_factory.mktemp("clap")
    return folder, command_line(folder, "fit-free", *job, f"methods=[{','.join(METHODS)}]", *SHOWN)


def said(done):
    """What a command printed, on one line, without the marks of a checklist."""
    return " ".join((done.stdout + done.stderr).replace("✗", "").split())


def results_of(folder):
    return json.loads((folder / "run" / "results.json").read_text())


def rows_of(folder):
    with (folder / "run" / "predictions.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def by_transformers(clap_folder, esc_root):
    """Unit embeddings of all clips and classes, each from a pass of transformers' own forward."""
    processor, model = (
        one.from_pretrained(clap_folder) for one in (transformers.ClapProcessor, transformers.ClapModel)
    )
    texts = [f"This is a sound of {label}." for label in CLASSES]
    clips = {}
    for path in sorted((esc_root / "audio").glob("*.wav")):
        sound = load_audio(path, 48_000, 60).windows[0]
        inputs = processor(text=texts, audio=sound, sampling_rate=48_000, return_tensors="pt", padding=True)
        with torch.inference_mode():
            found = model.eval()(**inputs)
        clips[path.name] = found.audio_embeds[0].double().numpy()
    return clips, found.text_embeds.double().numpy(), float(model.logit_scale_a.detach().exp())


@pytest.fixture(scope="module")
def supports(ended):
    """Label and clip of each draw's support, as the seed draws them."""
    from calm_pl.config.compose import load_config
    from calm_pl.jobs.parts import build_data

    task = build_data(load_config([str(ended[0] / "run" / "config.yaml")], [])).task()
    return [
        [(task.support[n].clip.id, task.classes[task.support[n].label]) for n in one.support]
        for one in task.rounds
    ]


def test_every_row_is_in_the_table_and_says_how_zero_shot_answers(ended):
    results = results_of(ended[0])
    assert set(results["methods"]) == set(METHODS)
    assert results["methods"]["zero_shot"]["answered_by"] == "similarity"
    assert results["heads"] == {"layers": 1, "heads_per_layer": 1, "head_dim": 24}
    assert (results["dtype"], results["attn"]) == ("float32", "eager")
    assert results["self_check"]["drift"] < 1e-5
    for title in ("zero-shot, all classes", "Tip-Adapter's cache", "k-NN"):
        assert title in ended[1].stdout
    assert "a CLAP model's embeddings do not depend on options" in " ".join(ended[1].stdout.split())
    assert (ended[0] / "run" / "report.html").stat().st_size > 10_000


def test_zero_shot_is_the_nearest_sentence_among_options_and_among_all(ended, by_transformers):
    clips, texts, scale = by_transformers
    for row in rows_of(ended[0]):
        similarity = {
            label: scale * sum(a * b for a, b in zip(clips[row["clip"]], text, strict=True))
            for label, text in zip(CLASSES, texts, strict=True)
        }
        for method, among in (("zero_shot", row["options"].split("|")), ("zero_shot_all_classes", CLASSES)):
            best = max(among, key=similarity.get)
            share = math.exp(similarity[best]) / sum(math.exp(similarity[label]) for label in among)
            assert row[method] == best
            assert float(row[f"{method}_confidence"]) == pytest.approx(share, abs=1e-4)


def test_neighbours_and_cache_by_hand(ended, by_transformers, supports):
    clips, texts, scale = by_transformers
    for row in rows_of(ended[0]):
        x = clips[row["clip"]]
        near = sorted(
            ((float(clips[clip] @ x), label) for clip, label in supports[int(row["draw"])]), reverse=True
        )
        votes = Counter(label for _, label in near[:5])
        assert row["knn"] == max(sorted(votes), key=votes.get)
        cache = {c: sum(math.exp(-5.5 * (1 - cos)) for cos, label in near if label == c) for c in CLASSES}
        assert row["tip_adapter"] == max(CLASSES, key=cache.get)
        both = {c: scale * float(text @ x) + cache[c] for c, text in zip(CLASSES, texts, strict=True)}
        best = max(CLASSES, key=both.get)
        assert row["tip_adapter_zero_shot"] == best
        share = math.exp(both[best]) / sum(math.exp(value) for value in both.values())
        assert float(row["tip_adapter_zero_shot_confidence"]) == pytest.approx(share, abs=1e-4)


def test_batches_of_one_and_a_second_run_from_the_bank_give_the_same(ended, job, call, tmp_path):
    one = [*job, f"methods=[{','.join(METHODS)}]", *LEAN, "data.batch_size=1"]
    assert call("fit-free", *one).returncode == 0
    first = rows_of(tmp_path)
    again = call("fit-free", *one, "run.overwrite=true")
    assert again.returncode == 0
    assert "20 clips, 20 cached" in said(again)
    assert "9 clips, 9 cached" in said(again)
    assert rows_of(tmp_path) == first
    names = [name for name in first[0] if not name.endswith("_confidence")]
    assert [[row[n] for n in names] for row in first] == [
        [row[n] for n in names] for row in rows_of(ended[0])
    ]


def test_another_sentence_is_other_scores_under_other_keys(ended, job, call, tmp_path):
    shared = [*job, "methods=[zero_shot]", *LEAN, f"bank.dir={ended[0] / 'runs' / '.bank'}"]
    assert "cached" in call("fit-free", *shared).stderr
    other = call("fit-free", *shared, "model.clap_template='{}!'", "run.overwrite=true")
    assert other.returncode == 0
    assert results_of(tmp_path)["encodings"][-1]["questions"] > 0
    confidences = [[row["zero_shot_confidence"] for row in rows_of(one)][::2] for one in (tmp_path, ended[0])]
    assert confidences[0] != confidences[1]


def test_the_rows_are_paired_with_those_of_a_language_model(ended, job, tiny_folder, call, tmp_path):
    """Draws, clips and options are the same: `report` compares question by question."""
    model = f"model.path={tiny_folder}"
    assert call("fit-free", *job, model, "methods=[calm,knn,zero_shot]", *LEAN).returncode == 0
    asked = [
        [tuple(row[name] for name in ("clip", "fold", "draw", "label", "options")) for row in rows_of(folder)]
        for folder in (ended[0], tmp_path)
    ]
    assert asked[0] == asked[1]
    told = call("report", "run", ended[0] / "run", "--out", "both.html")
    assert told.returncode == 0, told.stderr
    assert "has the same query set" in said(told)
    assert "zero-shot, all classes" in told.stdout


def test_doctor_and_dry_run_know_it(job, call):
    told = call("doctor", *job, "methods=[zero_shot,gda]")
    assert told.returncode == 0, told.stderr
    text = said(told)
    assert "ClapModel, one embedding of 24, hears clips up to 6 s" in text
    assert "compared with sentences such as This is a sound of" in text
    refused = call("fit-free", *job, "methods=[calm,knn_tower]", "--dry-run")
    assert refused.returncode != 0
    assert "calm, knn_tower cannot be evaluated with a CLAP model" in said(refused)


def test_what_needs_heads_answers_or_orders_is_refused_at_once_naming_what_works(job, call, tmp_path):
    told = call(
        *("fit-free", *job, "methods=[sav,calm_auto,knn_tower,logistic_regression_hidden,zero_shot]"),
        *("data.support_labels=pseudo", "data.option_orders=2", "zero_shot=generate", *LEAN),
    )
    assert told.returncode != 0
    text = said(told)
    assert (
        "sav, calm_auto, knn_tower, logistic_regression_hidden cannot be evaluated with a CLAP model" in text
    )
    assert "one vector per clip and no heads; choose among zero_shot, gda," in text
    for key in ("data.support_labels", "data.option_orders", "zero_shot"):
        assert f"- {key}: must" in text
    assert not (tmp_path / "run").exists()


def test_sentences_are_for_clap_models_alone(small_job, call):
    told = call("fit-free", *small_job, "methods=[tip_adapter,tip_adapter_zero_shot]")
    assert told.returncode != 0
    assert "tip_adapter_zero_shot can only be evaluated with a CLAP model" in said(told)
    told = call("sweep", *small_job, "methods=[zero_shot_all_classes]", "sweep.grid.data.shots=[2,3]")
    assert "zero_shot_all_classes compares clips with sentences about classes" in " ".join(
        told.stderr.split()
    )


def test_a_stored_classifier_labels_files_with_its_sentence(job, call, esc_root, tmp_path):
    template = "model.clap_template='Hear {}'"
    assert call("fit-free", *job, template, "methods=[gda]", *LEAN).returncode == 0
    wanted = {row["clip"]: row["gda"] for row in rows_of(tmp_path) if row["draw"] == "0"}
    files = [esc_root / "audio" / name for name in wanted]
    told = call("predict", "--classifier", "run", "--json", *files)
    assert told.returncode == 0, told.stderr
    labels = [row["label"] for row in json.loads(told.stdout)]
    assert labels == list(wanted.values())


def test_shots_are_swept(job, call):
    told = call("sweep", *job, "methods=[gda,knn]", "sweep.grid.data.shots=[2,4]", "wandb.mode=disabled")
    assert told.returncode == 0, told.stderr
    refused = call("sweep", *job, "methods=[calm]", "sweep.grid.data.shots=[2,4]", "run.dir=other")
    assert "calm cannot be evaluated with a CLAP model" in said(refused)
    assert wandb.run is None  # it had begun


def test_clips_with_several_labels(clap_folder, tmp_path, tmp_path_factory):
    root = named_sets.write(tmp_path_factory.mktemp("several") / "sounds", named_sets.SEVERAL)
    command_line(
        *(tmp_path, "fit-free", "data.benchmark=several", f"data.root={root}", f"model.path={clap_folder}"),
        *("data.shots=3", "data.n_options=3", f"methods=[{','.join(METHODS)}]", "run.dir=run", *LEAN),
        "data.candidates=options",
        *("trainer.accelerator=cpu", "trainer.devices=1", "data.num_workers=0"),
    )
    for row in rows_of(tmp_path):
        assert {row[method] for method in METHODS} <= set(row["options"].split("|"))
    rows = rows_of(tmp_path)
    assert [row["zero_shot"] for row in rows] == [row["zero_shot_all_classes"] for row in rows]
    assert np.isfinite(results_of(tmp_path)["methods"]["tip_adapter_zero_shot"]["exact_match"])


def test_sound_with_pictures_is_refused(clap_folder, call, tmp_path):
    (tmp_path / "clips.csv").write_text(
        "path,label,split,video\na.wav,dog,train,a.mp4\nb.wav,rain,train,b.mp4\nc.wav,dog,test,c.mp4\n"
    )
    for name in ("a.wav", "b.wav", "c.wav", "a.mp4", "b.mp4", "c.mp4"):
        (tmp_path / name).write_bytes(name.encode())
    told = call(
        *("fit-free", "data.benchmark=manifest", f"data.root={tmp_path}", "data.manifest=clips.csv"),
        *(f"model.path={clap_folder}", "methods=[knn]", "data.shots=1", "run.dir=run", *LEAN),
        *("trainer.accelerator=cpu", "trainer.devices=1"),
    )
    assert told.returncode != 0
    assert "audio only; choose one that sees" in said(told)
