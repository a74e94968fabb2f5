import numpy as np
import pytest
import torch
from head_vectors import noisy_clips
from sklearn.base import clone
from test_sums_over_ranks import CLASSES, SPLITS, Ranks

from calm_pl.functional.calibration import SHARPNESS
from calm_pl.methods.classifier import Classifier, load_classifier
from calm_pl.voters import Calm, CalmGlobal, gather_support

each_voter = pytest.mark.parametrize(
    "voter", [Calm(sharpness="loo"), CalmGlobal(sharpness="loo")], ids=["calm", "calm_global"]
)


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def slow_posteriors(x, centroids, tau_p=0.03):
    """(H, C) of one clip."""
    cosines = (unit(x)[:, None] * unit(centroids).transpose(1, 0, 2)).sum(-1)
    p = np.exp((cosines - cosines.max(-1, keepdims=True)) / tau_p)
    return p / p.sum(-1, keepdims=True)


def slow_left_out_scores(x, y, num_classes, tau_w=0.5):
    """CALM-Global's score of each clip: centroids without it, weights from the margins of all others."""
    centroids = np.stack([x[y == c].mean(0) for c in range(num_classes)])
    margins = []
    for n in range(len(x)):
        p = slow_posteriors(x[n], centroids)
        margins.append(np.maximum(0, p[:, y[n]] - np.delete(p, y[n], 1).max(1)))
    scores = []
    for n in range(len(x)):
        rest = np.arange(len(x)) != n
        without = np.stack([x[rest][y[rest] == c].mean(0) for c in range(num_classes)])
        r = np.array(margins)[rest].mean(0)
        w = np.exp((r - r.max()) / tau_w)
        scores.append(w / w.sum() @ slow_posteriors(x[n], without))
    return np.array(scores)


def test_the_sharpness_makes_left_out_clips_likeliest():
    x, y = noisy_clips(0, (5, 4, 6), noise=1.5)
    log_scores = np.log(slow_left_out_scores(x, y, 3))
    values = []
    for gamma in SHARPNESS:
        log_p = gamma * log_scores - np.log(np.exp(gamma * log_scores).sum(1, keepdims=True))
        values.append((log_p[np.arange(len(y)), y].sum() + log_p.mean()) / (len(y) + 1))
    found = CalmGlobal(sharpness="loo").fit(x, y).fitted_params_.sharpness
    assert found == SHARPNESS[int(np.argmax(values))]
    assert found not in (1.0, SHARPNESS[0], SHARPNESS[-1])


@each_voter
def test_probabilities_are_powers_of_the_shares_and_winners_stay(voter):
    x, y = noisy_clips(1, (5, 4, 6), noise=1.5)
    queries, _ = noisy_clips(2, (9, 9, 9), noise=1.5)
    calibrated = clone(voter).fit(x, y)
    plain = clone(voter).set_params(sharpness=1.0).fit(x, y)
    gamma = calibrated.fitted_params_.sharpness
    expected = plain.predict_proba(queries).astype(float) ** gamma
    expected /= expected.sum(1, keepdims=True)
    np.testing.assert_allclose(calibrated.predict_proba(queries), expected, rtol=1e-4)
    np.testing.assert_array_equal(calibrated.predict(queries), plain.predict(queries))


@each_voter
def test_classes_that_are_no_candidates_stay_at_zero(voter):
    x, y = noisy_clips(1, (5, 4, 6), noise=1.5)
    fitted = clone(voter).fit(x, y)
    candidates = torch.tensor([True, False, True]).expand(len(x), 3)
    p = fitted.probabilities(fitted.vote(x, candidates).scores_NC)
    assert float(p[:, 1].max()) == 0
    torch.testing.assert_close(p.sum(1), torch.ones(len(x)))


@each_voter
@pytest.mark.parametrize("split", SPLITS.values(), ids=SPLITS)
def test_every_rank_finds_what_one_rank_would(voter, split):
    x, y = noisy_clips(0, (4, 3, 5), noise=1.5, dtype=np.float32)
    expected = clone(voter).fit(x, y).fitted_params_

    def work(rank, all_reduce):
        own = list(split[rank])
        return clone(voter).fit_support(gather_support(x[own], y[own], CLASSES, all_reduce))

    assert [found.fitted_params_ for found in Ranks(len(split)).run(work)] == [expected] * len(split)


@each_voter
def test_saved_and_loaded_it_keeps_its_sharpness(voter, tmp_path):
    x, y = noisy_clips(3, (5, 4, 6), noise=1.5)
    fitted = clone(voter).fit(x, np.array(["a", "b", "c"])[y])
    name = "calm" if isinstance(voter, Calm) else "calm_global"
    Classifier({name: fitted}, ("a", "b", "c"), {}, {}).save(tmp_path / "c.safetensors")
    again = load_classifier(tmp_path / "c.safetensors").voters[name]
    assert again.get_params()["sharpness"] == fitted.fitted_params_.sharpness
    np.testing.assert_array_equal(again.predict_proba(x), fitted.predict_proba(x))


@each_voter
def test_one_clip_a_class_leaves_the_shares(voter):
    x, y = noisy_clips(4, (1, 1, 1))
    assert clone(voter).fit(x, y).fitted_params_.sharpness == 1


@pytest.mark.parametrize("value", [0, -1.0, "best", None])
def test_a_bad_sharpness_is_named(value):
    with pytest.raises(ValueError, match="sharpness"):
        Calm(sharpness=value)


def test_heldout_clips_are_refused():
    x, y = noisy_clips(0, (3, 3))
    with pytest.raises(ValueError, match="`sharpness` not to be 'loo'"):
        Calm(sharpness="loo", reliability_split="heldout").fit(x, y, heldout=(x, y))
