import numpy as np
import pytest
from head_vectors import noisy_clips
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from calm_pl.functional.calibration import TRUST
from calm_pl.functional.gda import FLOOR
from calm_pl.voters import Gda, gather_support
from calm_pl.voters.gram import clip_places, folded_clips
from calm_pl.voters.linear import RHOS

HEADS, DIM = 6, 4


def features(x):
    """Unit heads side by side, each with weight 1/H."""
    u = x / np.linalg.norm(x, axis=-1, keepdims=True)
    return (u / np.sqrt(x.shape[1])).reshape(len(x), -1)


def ridge(f, y, rho):
    z = f - np.stack([f[y == label].mean(0) for label in y])
    return rho * (np.square(z).sum() + FLOOR * np.square(f).sum()) / (len(f) - 1)


def primal_scores(x, y, queries, num_classes, rho):
    f, q = features(x), features(queries)
    means = np.stack([f[y == c].mean(0) for c in range(num_classes)])
    z = f - means[y]
    scatter = z.T @ z
    precision = f.shape[1] * np.linalg.inv(scatter + ridge(f, y, rho) * np.eye(f.shape[1]))
    return q @ precision @ means.T - 0.5 * np.einsum("cf,fg,cg->c", means, precision, means)


@pytest.mark.parametrize("rho", [0.1, 1.0, 10.0])
def test_scores_are_the_primal_ones_up_to_one_gain(rho):
    x, y = noisy_clips(0, (6, 5, 4))
    queries, _ = noisy_clips(1, (5, 5, 5))
    found = Gda(rho).fit(x, y).decision_function(queries)
    expected = primal_scores(x, y, queries, 3, rho)
    found, expected = (s - s.mean(1, keepdims=True) for s in (found, expected))
    gain = np.sum(found * expected) / np.sum(expected**2)
    np.testing.assert_allclose(found, gain * expected, rtol=1e-3, atol=1e-4 * np.abs(found).max())
    assert gain > 0


def test_with_little_shrinkage_it_decides_as_scikit_learn_does():
    # More clips than features, so that the covariance has full rank.
    x, y = noisy_clips(2, (40, 40, 40), noise=1.5)
    queries, _ = noisy_clips(3, (60, 60, 60), noise=1.5)
    other = LinearDiscriminantAnalysis(solver="lsqr", priors=[1 / 3] * 3).fit(features(x), y)
    same = Gda(rho=1e-6).fit(x, y).predict(queries) == other.predict(features(queries))
    assert same.mean() > 0.99


def test_shrinkages_are_averaged_by_their_evidence():
    x, y = noisy_clips(4, (6, 6, 6), noise=1.5)
    queries, _ = noisy_clips(5, (3, 3, 3))
    each = [Gda(rho).fit(x, y) for rho in RHOS]
    evidence = np.array([fit.left_out_p_.double().log().sum().item() for fit in each])
    shares = np.exp(TRUST * (evidence - evidence.max()))
    shares /= shares.sum()
    logits = [fit.decision_function(queries).astype(float) for fit in each]
    expected = sum(s * (a - a.mean(1, keepdims=True)) for s, a in zip(shares, logits, strict=True))
    found = Gda().fit(x, y).decision_function(queries).astype(float)
    found -= found.mean(1, keepdims=True)
    gain = np.vdot(found, expected) / np.vdot(expected, expected)
    np.testing.assert_allclose(found, gain * expected, rtol=1e-3, atol=1e-4)
    assert shares.min() > 0.01
    assert shares.max() < 0.98


def test_left_out_probabilities_are_those_of_refits():
    x, y = noisy_clips(5, (4, 3, 5), noise=1.2)
    voter = Gda(1.0).fit(x, y)
    support = gather_support(x, y)
    fold = folded_clips(support, clip_places(support)).fold_N.numpy()
    left_out = []
    for n in range(len(x)):
        rest = fold != fold[n]
        scale = ridge(features(x[rest]), y[rest], 1.0) / ridge(features(x), y, 1.0)
        left_out.append(scale * primal_scores(x[rest], y[rest], x[[n]], 3, 1.0)[0])
    left_out = np.array(left_out)
    # The voter's one gain, from its scores against the primal ones.
    scores, full = voter.decision_function(x), primal_scores(x, y, x, 3, 1.0)
    gain = np.ptp(scores[0]) / np.ptp(full[0])
    p = np.exp(gain * (left_out - left_out.max(1, keepdims=True)))
    own = np.sort((p / p.sum(1, keepdims=True))[np.arange(len(y)), y])
    np.testing.assert_allclose(voter.left_out_p_, own, rtol=1e-3, atol=1e-5)


def test_the_prior_of_the_support():
    x, y = noisy_clips(6, (12, 3))
    queries, _ = noisy_clips(7, (20, 20), noise=3.0)
    even, support = Gda(1.0).fit(x, y), Gda(1.0, prior="support").fit(x, y)
    difference = support.vote(queries).scores_NC - even.vote(queries).scores_NC
    np.testing.assert_allclose(difference[:, 0] - difference[:, 1], np.log(4), rtol=1e-4)


def test_probabilities_are_calibrated_on_noisy_clips():
    x, y = noisy_clips(8, (30, 30, 30), noise=4.0)
    queries, truth = noisy_clips(9, (300, 300, 300), noise=4.0)
    # Classes of noisy_clips differ by seed: queries are drawn around the same directions instead.
    rng = np.random.default_rng(0)
    directions = rng.standard_normal((3, HEADS, DIM))
    x = directions[y] + 3 * rng.standard_normal(x.shape)
    queries = directions[truth] + 3 * rng.standard_normal(queries.shape)
    p = Gda().fit(x, y).predict_proba(queries)
    accuracy, confidence = (p.argmax(1) == truth).mean(), p.max(1).mean()
    assert accuracy > 0.5
    assert abs(accuracy - confidence) < 0.1


def test_heldout_clips_are_refused():
    x, y = noisy_clips(0, (3, 3))
    with pytest.raises(ValueError, match="no `heldout`"):
        Gda().fit(x, y, heldout=(x, y))


def test_too_many_clips_are_refused(monkeypatch):
    monkeypatch.setattr("calm_pl.voters.gram.MAX_CLIPS", 5)
    x, y = noisy_clips(0, (3, 3))
    with pytest.raises(ValueError, match=r"at most 5 support clips .* but got 6"):
        Gda().fit(x, y)


@pytest.mark.parametrize(
    ("options", "message"), [({"rho": 0}, "rho"), ({"rho": -1.0}, "rho"), ({"prior": "equal"}, "prior")]
)
def test_bad_parameters_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        Gda(**options)
