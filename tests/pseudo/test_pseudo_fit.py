"""Voters on pseudo-labels equal voters fitted by hand on the same labels; self-training likewise."""

from pathlib import Path

import numpy as np
import pytest
import torch

from calm_pl.data.questions.clips import Clip, Query, Round
from calm_pl.data.questions.task import Task
from calm_pl.errors import RunError
from calm_pl.pseudo.fitting import Held, PseudoFit
from calm_pl.pseudo.sampling import RolloutSampler
from calm_pl.pseudo.settings import PseudoSettings
from calm_pl.voters import Calm, Sav

CLASSES = ("a", "b", "c", "d")
LETTER = dict(enumerate("ABCD"))
TRUTH = np.arange(24) % 4


@pytest.fixture
def x():
    rng = np.random.default_rng(1)
    centres = rng.standard_normal((4, 6, 5))
    return (centres[TRUTH] + 0.4 * rng.standard_normal((24, 6, 5))).astype(np.float32)


@pytest.fixture
def task():
    support = tuple(
        Query(Clip(f"{n}.wav", Path(f"{n}.wav"), (CLASSES[c],), ()), int(c), "Which?", (0, 1, 2, 3))
        for n, c in enumerate(TRUTH)
    )
    rounds = (Round("", 0, tuple(range(16)), (20, 21, 22, 23), ()), Round("", 1, tuple(range(8, 20)), (), ()))
    return Task(CLASSES, support, (), rounds)


def said(n):
    """Clips of class d are never called so; every fifth clip is unclear, every seventh wrong."""
    right = int(TRUTH[n]) if TRUTH[n] < 3 else 0
    if n % 5 == 4:
        return ["A", "B", "C", ""]
    return [LETTER[(right + (n % 7 == 6)) % 3]] * 3 + ["?"]


def fitted(x, task, voters, **settings):
    fit = PseudoFit(PseudoSettings(**settings), task, voters)

    def held(positions):
        return Held(torch.tensor(x[list(positions)]), list(positions))

    fit.add(torch.arange(24), [said(n) for n in range(24)])
    fit.settle()
    for one in task.rounds:
        fit.fit(one, held)
    return fit


def votes(positions):
    return {n: CLASSES.index("abc"["ABC".index(said(n)[0])]) for n in positions if n % 5 != 4}


def test_each_round_is_fitted_on_its_own_kept_clips(x, task):
    voters = {"sav": Sav(3), "calm": Calm(tau_p=0.1)}
    fit = fitted(x, task, voters)
    assert fit.methods == ["sav+pl", "calm+pl"]
    assert not hasattr(voters["calm"], "classes_")  # they stay unfitted
    for number, one in enumerate(task.rounds):
        labels = votes(one.support)
        assert fit.rounds[number].labels == labels
        (step,) = fit.rounds[number].steps
        assert (step.asked, step.kept) == (len(one.support), len(labels))
        assert step.right == sum(labels[n] == TRUTH[n] for n in labels)
        assert step.lacking == ("d",)
        for name, alone in (("sav+pl", Sav(3)), ("calm+pl", Calm(tau_p=0.1))):
            alone.fit(x[list(labels)], [CLASSES[c] for c in labels.values()])
            inside = fit.fitted[name][number]
            assert inside.covered == (0, 1, 2)
            assert inside.voter.predict(x).tolist() == alone.predict(x).tolist()
            torch.testing.assert_close(inside.voter.centroids_, alone.centroids_)


def test_self_training_labels_every_clip_of_the_round_by_calm(x, task):
    fit = fitted(x, task, {"sav": Sav(3), "calm": Calm(tau_p=0.1)}, rounds=2, min_posterior=0.6)
    for number, one in enumerate(task.rounds):
        labels = votes(one.support)
        for step in (1, 2):
            judge = Calm(tau_p=0.1).fit(x[list(labels)], [CLASSES[c] for c in labels.values()])
            proba = judge.predict_proba(x[list(one.support)])
            labels = {
                n: int(row.argmax()) for n, row in zip(one.support, proba, strict=True) if row.max() >= 0.6
            }
            reached = fit.rounds[number].steps[step]
            assert reached.kept == len(labels)
            assert reached.right == sum(labels[n] == TRUTH[n] for n in labels)
        assert fit.rounds[number].labels == labels
        assert set(fit.rounds[number].posteriors) == set(labels)
        alone = Sav(3).fit(x[list(labels)], [CLASSES[c] for c in labels.values()])
        assert fit.fitted["sav+pl"][number].voter.predict(x).tolist() == alone.predict(x).tolist()


def test_held_out_clips_judge_by_their_pseudo_labels(x, task):
    only = Task(CLASSES, task.support, (), task.rounds[:1])
    fit = fitted(x, only, {"calm": Calm(reliability_split="heldout")})
    labels, judged = votes(range(16)), votes((20, 21, 22, 23))
    alone = Calm(reliability_split="heldout").fit(
        x[list(labels)],
        [CLASSES[c] for c in labels.values()],
        (x[list(judged)], [CLASSES[c] for c in judged.values()]),
    )
    torch.testing.assert_close(fit.fitted["calm+pl"][0].voter.weights_, alone.weights_)


def test_one_class_alone_cannot_be_fitted(x, task):
    with pytest.raises(RunError, match=r"draw 0, name no class \(0 of 16 clips kept\).*min_agreement"):
        fitted(x, task, {"calm": Calm()}, min_agreement=0.9)


def test_draws_depend_on_seed_clip_window_and_rollout_alone(task):
    sampler = RolloutSampler(PseudoSettings(rollouts=3), task.support)
    whole = sampler.draws([3, 5, 5, 9])
    again = sampler.draws([9, 5, 3, 5])
    for row, same in ((0, 2), (1, 1), (2, 3), (3, 0)):
        assert torch.equal(whole.seed_NM[row], again.seed_NM[same])
        assert torch.equal(whole.temperature_NM[row], again.temperature_NM[same])
    assert whole.seed_NM.unique().numel() == whole.temperature_NM.unique().numel() == 12
    other = RolloutSampler(PseudoSettings(rollouts=3, seed=1), task.support).draws([3])
    assert not bool(torch.isin(other.seed_NM, whole.seed_NM).any())
    more = RolloutSampler(PseudoSettings(rollouts=5), task.support).draws([3])
    assert torch.equal(more.seed_NM[:, :3], whole.seed_NM[:1])  # further rollouts leave the first as they are


def test_temperatures_are_spread_evenly_over_their_range(task):
    settings = PseudoSettings(rollouts=500, temperature_low=1, temperature_high=2.5)
    warm = RolloutSampler(settings, task.support).draws(range(24)).temperature_NM
    assert 1 <= float(warm.min()) < 1.001
    assert 2.499 < float(warm.max()) <= 2.5
    counts = torch.histc(warm, bins=10, min=1, max=2.5)
    assert (counts / warm.numel() - 0.1).abs().max() < 0.012
