"""The model's own answers beside CALM-Auto's, as one method."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from calm_pl.data.questions.clips import Clip, Query, Round
from calm_pl.data.questions.task import Task
from calm_pl.errors import RunError
from calm_pl.evaluation.lineup import contenders
from calm_pl.evaluation.prior import PRIOR, Prior, SupportAnswers
from calm_pl.functional.calibration import TRUST
from calm_pl.voters import CalmAuto
from calm_pl.voters.base import Decision

CLASSES = ("bark", "gush", "speech")
JOB = [f"methods=[zero_shot,calm_auto,{PRIOR}]", "callbacks=[run_record,predictions]"]


def task_of(labels, options=(2, 0, 1)):
    queries = tuple(
        Query(Clip(f"{n}.wav", Path(f"{n}.wav"), (CLASSES[label],), (str(n),)), label, "?", options)
        for n, label in enumerate(labels)
    )
    positions = tuple(range(len(queries)))
    return Task(CLASSES, queries, queries, (Round("", 0, positions, (), positions),))


def answers_about(labels, seed, strength):
    """Support answers whose scores lean to the truth, options in the order 2, 0, 1."""
    rng = np.random.default_rng(seed)
    options = torch.tensor([[2, 0, 1]] * len(labels))
    truth = (options == torch.tensor(labels)[:, None]).float()
    answers = SupportAnswers(task_of(labels))
    scores = strength * truth + torch.from_numpy(rng.standard_normal(truth.shape)).float()
    for part in (slice(0, 4), slice(4, None)):  # as batches bring them
        answers.add(torch.arange(len(labels))[part], scores[part], options[part])
    return answers, scores


def test_both_answers_as_one_by_hand():
    base = Decision(torch.log(torch.tensor([[0.5, 0.3, 0.2]])), torch.tensor([0]))
    options = torch.tensor([[2, 0, 1]])
    scores = torch.log(torch.tensor([[0.7, 0.1, 0.2]]))
    found = Prior(share=0.25, gain=2.0).decide(base, scores, options)
    # Classes 0, 1, 2 have 0.1, 0.2, 0.7 by zero-shot: p ∝ p_auto^(3/4)·p_zero^(2/4).
    p = np.array([0.5, 0.3, 0.2]) ** 0.75 * np.array([0.1, 0.2, 0.7]) ** 0.5
    np.testing.assert_allclose(found.scores_NC[0].exp(), p / p.sum(), rtol=1e-5)
    assert found.winner_N.tolist() == [2]


def test_classes_that_are_no_candidates_stay_out():
    base = Decision(torch.tensor([[-torch.inf, -0.1, -2.0]]), torch.tensor([1]))
    found = Prior(0.5, 1.0).decide(base, torch.tensor([[0.0, 9.0, 0.0]]), torch.tensor([[2, 0, 1]]))
    assert found.scores_NC[0, 0] == -torch.inf
    assert found.winner_N.tolist() == [1]


def test_answers_are_believed_as_far_as_they_foretell_the_support():
    labels = [0, 1, 2] * 4
    base = SimpleNamespace(left_out_p_=torch.full((12,), 0.5))
    shares = [answers_about(labels, 0, s)[0].fit(base, range(12)).share for s in (0.0, 1.0, 4.0)]
    assert shares[0] < 0.4 < 0.6 < shares[2]
    assert shares == sorted(shares)
    answers, scores = answers_about(labels, 0, 1.0)
    prior = answers.fit(base, range(12))
    logits = torch.log_softmax(scores, 1)[:, [1, 2, 0]].double()  # in class order
    own = torch.log_softmax(prior.gain * logits, 1).gather(1, torch.tensor(labels)[:, None]).sum()
    odds = float(torch.exp(TRUST * (own - 12 * np.log(0.5))))
    assert prior.share == pytest.approx(odds / (1 + odds), rel=1e-5)


def test_one_clip_a_class_leaves_both_alike():
    answers, _ = answers_about([0, 1, 2], 0, 2.0)
    assert answers.fit(SimpleNamespace(left_out_p_=torch.zeros(0)), range(3)).share == 0.5


def test_only_the_rounds_own_clips_are_asked():
    answers, _ = answers_about([0, 1, 2] * 4, 0, 3.0)
    base = SimpleNamespace(left_out_p_=torch.full((6,), 0.5))
    assert answers.fit(base, range(6)) != answers.fit(base, range(6, 12))


def test_questions_that_list_some_classes_are_refused():
    with pytest.raises(RunError, match=r"0\.wav lists 2: set data\.n_options=3, or remove"):
        SupportAnswers(task_of([0, 1], options=(0, 1)))


@pytest.mark.parametrize(
    ("zero_shot", "voters"),
    [(None, {"calm_auto": CalmAuto()}), ("generate", {"calm_auto": CalmAuto()}), ("text", {})],
)
def test_a_prior_that_lacks_a_part_is_refused(zero_shot, voters):
    with pytest.raises(ValueError, match="letters or text, and a voter 'calm_auto'"):
        contenders(voters, task_of([0, 1]), zero_shot, prior=True)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([f"methods=[calm_auto,{PRIOR}]"], "must also name zero_shot"),
        ([f"methods=[{PRIOR}]"], "must also name zero_shot and calm_auto"),
        ([*JOB, "zero_shot=generate"], "must be letters or text"),
        ([*JOB, "data.n_options=2"], "lists 2: set data.n_options=3"),
    ],
)
def test_jobs_it_does_not_go_with(call, small_job, given, message):
    done = call("fit-free", *small_job, *given)
    assert done.returncode == 1
    assert message in " ".join(done.stderr.split())


def test_a_job_on_one_rank_and_on_two(launch, small_job, tmp_path):
    for ranks in (1, 2):
        launch("fit-free", *small_job, *JOB, f"trainer.devices={ranks}", f"run.dir=run{ranks}", check=True)
    one, two = (
        json.loads((tmp_path / f"run{ranks}" / "results.json").read_text())["methods"] for ranks in (1, 2)
    )
    assert list(one) == ["zero_shot", "calm_auto", PRIOR]
    assert one == two


def test_it_is_no_stored_classifier(call, small_job, tmp_path):
    done = call("fit-free", *small_job, *JOB)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "classifier.safetensors").exists()
    from calm_pl.methods.classifier import load_classifier

    assert list(load_classifier(tmp_path / "run" / "classifier.safetensors").voters) == ["calm_auto"]
