"""Clips with several labels, and two-class sets with attacks, on the real command line and several ranks."""

import csv
import json
import re
from collections import defaultdict

import named_sets
import numpy as np
import pytest
from conftest import LEAN, command_line
from sklearn.metrics import average_precision_score

from calm_pl import FrozenLALM, load_classifier
from calm_pl.data.loading.base import FewShotDataModule
from calm_pl.data.settings import DataSettings
from calm_pl.evaluation.encoding import encode

CLASSES = ["a", "b", "c", "d", "e"]
METHODS = "zero_shot,sav,calm_global,calm,calm_auto,gda"


def refuse(constant):
    raise AssertionError(f"results.json holds {constant}, which is not valid JSON")


def run(folder, *args):
    """A job on a set of `named_sets`; its run folder, and what it printed."""
    rest = ("trainer.accelerator=cpu", "run.dir=run", "data.num_workers=0")
    folder.mkdir()
    return folder / "run", command_line(folder, "fit-free", *rest, *LEAN, *args)


def results_of(folder):
    return json.loads((folder / "results.json").read_text(), parse_constant=refuse)


def rows_of(folder):
    with (folder / "predictions.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def several(tmp_path_factory, tiny_folder):
    """The multi-label set on 1, 2 and 3 ranks, one question a batch: a clip's questions part company."""
    base = tmp_path_factory.mktemp("several")
    root = named_sets.write(base / "sounds", named_sets.SEVERAL)
    job = ("data.benchmark=several", f"data.root={root}", f"model.path={tiny_folder}", "data.shots=3")
    rest = ("data.n_options=3", "data.batch_size=1", "data.draws=2", f"methods=[{METHODS}]")
    page = "callbacks=[run_record,predictions,report]"
    folders = {
        n: run(base / f"{n}", *job, *rest, f"trainer.devices={n}", *([page] if n == 1 else []))
        for n in (1, 2, 3)
    }
    return root, folders


def test_one_question_a_label(several):
    rows = [row for row in rows_of(several[1][1][0]) if row["draw"] == "0"]
    asked = [(row["clip"], row["label"]) for row in rows]
    expected = [
        (f"{name}.wav", label)
        for name in sorted(n for n in named_sets.SEVERAL if n.startswith("test"))
        for label in name.split("-")[2].split("+")
    ]
    assert asked == expected
    assert len(asked) == 15


def test_no_true_label_is_a_distractor(several):
    for row in rows_of(several[1][1][0]):
        true = set(row["clip"].split("-")[2].split("+"))
        assert set(row["options"].split("|")) & true == {row["label"]}
    whole = [r for r in rows_of(several[1][1][0]) if "a+b+c+d" in r["clip"]]
    assert {len(r["options"].split("|")) for r in whole} == {2}  # the truth, and the only class that is wrong


def test_a_clip_counts_only_if_every_question_is_right(several):
    folder, _ = several[1][1]
    rows = rows_of(folder)
    for method, scores in results_of(folder)["methods"].items():
        shares, accuracies = [], []
        for draw in "01":
            right = defaultdict(list)
            for row in rows:
                if row["draw"] == draw:
                    right[row["clip"]].append(row[method] == row["label"])
            assert len(right) == 8
            shares.append(sum(all(answers) for answers in right.values()) / 8)
            accuracies.append(sum(map(sum, right.values())) / 15)
        assert scores["exact_match"] == pytest.approx(np.mean(shares), abs=2e-6)
        assert scores["accuracy"] == pytest.approx(np.mean(accuracies), abs=2e-6)
        assert [one["exact_match"] for one in scores["rounds"]] == pytest.approx(shares, abs=1e-6)
        assert scores["n"] == 15
        assert scores["sd"]["accuracy"]["draws"] == pytest.approx(np.std(accuracies, ddof=1), abs=2e-6)
        assert scores["sd"]["accuracy"]["folds"] is None


def test_mean_average_precision_is_that_of_scikit_learn(several, tiny_folder):
    root, folders = several
    folder, _ = folders[1]
    lalm = FrozenLALM.from_pretrained(str(tiny_folder))
    settings = DataSettings(root=str(root), shots=3, n_options=3, num_workers=0, batch_size=1)
    data = FewShotDataModule(named_sets.Several(settings), lalm.preparer)
    data.prepare()
    assert list(data.classes) == CLASSES
    voters = load_classifier(folder / "classifier.safetensors").voters  # those of the first draw
    scores, truth = {name: defaultdict(list) for name in voters}, {}
    for batch in data.test_dataloader():
        vectors = encode(lalm, batch).vectors_NHD
        clip = data.query[int(batch.index_N)].clip
        truth[clip.id] = [label in clip.labels for label in CLASSES]
        for name, voter in voters.items():
            scores[name][clip.id].append(voter.predict_proba(vectors)[0].numpy())
    order = sorted(truth)
    truth_NC = np.array([truth[clip] for clip in order])
    for name in voters:
        scores_NC = np.array([np.mean(scores[name][clip], axis=0) for clip in order])
        of_class = [
            average_precision_score(truth_NC[:, c], scores_NC[:, c]) for c in range(4)
        ]  # e is asked nowhere
        reported = results_of(folder)["methods"][name]["rounds"][0]["map"]
        assert reported == pytest.approx(np.mean(of_class), abs=2e-6), name


@pytest.mark.parametrize("ranks", [2, 3])
def test_ranks_change_nothing_though_a_clips_questions_lie_on_several(several, ranks):
    (one, _), (many, _) = several[1][1], several[1][ranks]
    first, other = results_of(one), results_of(many)
    for kind in ("methods", "n_support", "n_query", "breakdown"):
        assert first[kind] == other[kind]
    for a, b in zip(rows_of(one), rows_of(many), strict=True):
        assert {k: v for k, v in a.items() if "confidence" not in k} == {
            k: v for k, v in b.items() if "confidence" not in k
        }


def test_results_are_broken_down_by_subset(several):
    folder, _ = several[1][1]
    rows, breakdown = rows_of(folder), results_of(folder)["breakdown"]
    assert breakdown["by"] == "kind"
    assert list(breakdown["subsets"]) == ["more", "one"]
    for subset, parts in breakdown["subsets"].items():
        own = [row for row in rows if row["clip"].endswith(f"-{subset}.wav")]
        assert parts["n"] == len(own) / 2
        for method in ("zero_shot", "sav", "calm_global", "calm"):
            share = sum(row[method] == row["label"] for row in own) / len(own)
            assert parts[method] == {"accuracy": pytest.approx(share, abs=1e-6), "eer": None}


def test_the_table_and_the_report_have_the_metrics_of_the_task(several):
    folder, done = several[1][1]
    page = (folder / "report.html").read_text()
    for word in ("exact match", "mAP"):
        assert word in page
    assert "A clip is asked one question per label" in done.stdout
    assert "standard deviation over 2 draws" in done.stdout
    assert "EER" not in done.stdout


def test_the_report_counts_each_question_once(several):
    # Two draws are two answers to a question, not two clips.
    folder, _ = several[1][1]
    page = (folder / "report.html").read_text()
    per_class = page.split("<caption>Accuracy of each class")[1].split("</table>")[0]
    counts = dict(re.findall(r">(\w)</button></th><td[^>]*>(\d+)</td>", per_class))
    assert counts == {"a": "3", "b": "4", "c": "4", "d": "4", "e": "0"}


def spoofed(tmp_path, tiny_folder, names, *more):
    root = named_sets.write(tmp_path / "sounds", names)
    job = ("data.benchmark=spoofed", f"data.root={root}", f"model.path={tiny_folder}", "trainer.devices=1")
    return run(tmp_path / "job", *job, "data.shots=3", "data.n_options=2", "data.draws=2", *more)


def slow_eer(score, truth):
    """Mean of both error rates where they are closest, over all thresholds."""
    rates = []
    for threshold in sorted(set(score), reverse=True):
        accepted = np.array(score) >= threshold
        rates.append((accepted[~truth].mean(), (~accepted)[truth].mean()))
    far, frr = min(rates, key=lambda pair: round(abs(pair[0] - pair[1]), 9))
    return (far + frr) / 2


def test_equal_error_rate_over_all_attacks_and_each(tmp_path, tiny_folder):
    folder, done = spoofed(tmp_path, tiny_folder, named_sets.SPOOFED)
    results, rows = results_of(folder), rows_of(folder)
    assert "EER" in done.stdout
    for method, scores in results["methods"].items():
        for subset in (None, "A0", "A1"):
            rates = []
            for draw in "01":
                own = [r for r in rows if r["draw"] == draw]
                if subset:
                    own = [r for r in own if "fake" not in r["clip"] or subset in r["clip"]]
                sure = [float(r[f"{method}_confidence"]) for r in own]
                score = [
                    s if r[method] == "real" else round(1 - s, 6) for s, r in zip(sure, own, strict=True)
                ]
                rates.append(slow_eer(score, np.array([r["label"] == "real" for r in own])))
            found = results["breakdown"]["subsets"][subset][method]["eer"] if subset else scores["eer"]
            assert found == pytest.approx(np.mean(rates), abs=2e-6), (method, subset)


def test_a_rate_that_there_is_not_is_null(tmp_path, tiny_folder):
    only_fakes = [name for name in named_sets.SPOOFED if not name.startswith("test") or "fake" in name]
    folder, _ = spoofed(tmp_path, tiny_folder, only_fakes, "methods=[calm]")
    scores = results_of(folder)["methods"]["calm"]
    assert scores["eer"] is None
    assert [one["eer"] for one in scores["rounds"]] == [None, None]
    assert scores["sd"]["eer"]["draws"] is None
    assert scores["accuracy"] is not None
