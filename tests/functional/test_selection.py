import itertools
import math

import numpy as np
import pytest
import torch

from calm_pl.functional.selection import (
    Judged,
    Reliabilities,
    Setting,
    SettingGrid,
    Tally,
    best_setting,
    clearly_better,
    judge_settings,
    tally,
)

GRID = SettingGrid(
    tau_p=(0.1,), tau_w=(0.5, 0.05), top_k=(None, 2), weight_map=("softmax", "power"), shrinkage=(0.0, 3.0)
)
COUNTS = [(3, 4, 2), (1, 4, 3), (2, 2)]


def posteriors_and_evidence(counts, heads=4, seed=0):
    """Random posteriors (N, H, C), classes and evidence (N, H); a few heads know the class."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    logits = rng.standard_normal((len(y), heads, len(counts)))
    logits += np.linspace(0, 2, heads)[:, None] * np.eye(len(counts))[y][:, None]
    p = np.exp(logits)
    p /= p.sum(-1, keepdims=True)
    return p, y, rng.uniform(0, 1, (len(y), heads))


def totals(judged):
    return tally(judged, torch.zeros(len(judged.right_NS)).double())


def slow_weights(row, setting):
    """One row of weights, head by head."""
    ranked = sorted(range(len(row)), key=lambda h: (-row[h], h))
    kept = ranked[: setting.top_k or len(row)]
    if setting.weight_map == "softmax":
        raw = {h: math.exp((row[h] - row[kept[0]]) / setting.tau_w) for h in kept}
    else:
        best = max(0.0, row[kept[0]])
        raw = {h: (max(0.0, row[h]) / best) ** (1 / setting.tau_w) if best else 1.0 for h in kept}
    return [raw.get(h, 0.0) / sum(raw.values()) for h in range(len(row))]


def slow_row(m, members, fallback, setting, mean):
    """Mean evidence over `members`, or over `fallback` where there are none, shrunk towards `mean`."""
    among, count = (members, len(members)) if members else (fallback, 1)
    alpha = setting.shrinkage
    return [
        (sum(m[n][h] for n in among) / max(1, len(among)) * count + mean * alpha) / (count + alpha)
        for h in range(len(m[0]))
    ]


def slow_tally(p, y, m, setting, conditional, judged):
    """Hits and log-likelihood, clip by clip; a clip's own evidence is out of its own row of weights."""
    num_clips, heads, classes = p.shape
    everyone = list(range(num_clips))
    of_class = [[n for n in everyone if y[n] == c] for c in range(classes)]
    groups = of_class if conditional else [everyone] * classes
    rows = groups if conditional else [everyone]
    mean = np.mean([[np.mean([m[n][h] for n in row]) for h in range(heads)] for row in rows])
    hits, log_p = 0, 0.0
    for n in judged:
        scores = []
        for c in range(classes):
            own = not conditional or c == y[n]
            members = [i for i in groups[c] if not (own and i == n)]
            others = [i for i in everyone if not (own and i == n)]
            weights = slow_weights(slow_row(m, members, others, setting, mean), setting)
            scores.append(sum(weights[h] * p[n, h, c] for h in range(heads)))
        hits += int(np.argmax(scores)) == y[n]
        log_p += math.log(scores[y[n]] / sum(scores))
    return hits, log_p


@pytest.mark.parametrize("conditional", [True, False])
@pytest.mark.parametrize("counts", COUNTS)
def test_every_setting_against_a_loop(counts, conditional):
    p, y, m = posteriors_and_evidence(counts)
    sums = np.stack([m[y == c].sum(0) for c in range(len(counts))])
    sizes = torch.tensor(counts, dtype=torch.float64)
    evidence = Reliabilities(torch.from_numpy(sums), sizes)
    if not conditional:
        evidence = Reliabilities(evidence.sums_RH.sum(0, keepdim=True), sizes.sum()[None])
    settings = GRID.settings(0.1, p.shape[1])
    found = totals(
        judge_settings(torch.from_numpy(p), torch.from_numpy(y), evidence, settings, torch.from_numpy(m))
    )
    assert len(settings) == 16
    for place, setting in enumerate(settings):
        hits, log_p = slow_tally(p, y, m, setting, conditional, range(len(y)))
        assert found.hits_S[place] == hits
        assert float(found.log_p_S[place]) == pytest.approx(log_p, rel=1e-6)
    assert float(found.num_clips) == len(y)


@pytest.mark.parametrize("conditional", [True, False])
def test_halves_add_up(conditional):
    p, y, m = (torch.from_numpy(part) for part in posteriors_and_evidence((4, 5, 3)))
    evidence = Reliabilities(torch.rand(3 if conditional else 1, 4).double(), torch.ones(3).double() * 4)
    if not conditional:
        evidence = Reliabilities(evidence.sums_RH, torch.tensor([12.0]).double())
    settings = GRID.settings(0.1, 4)
    whole = totals(judge_settings(p, y, evidence, settings, m))
    halves = [
        totals(judge_settings(p[s], y[s], evidence, settings, m[s])) for s in (slice(0, 5), slice(5, 12))
    ]
    for total, one, other in zip(whole, *halves, strict=True):
        torch.testing.assert_close(one + other, total)


def test_clips_that_had_no_part_in_the_evidence():
    p, y, m = posteriors_and_evidence((3, 3))
    evidence = Reliabilities(torch.from_numpy(m[:2]), torch.ones(2).double())
    setting = Setting(0.1, 0.5, None, "softmax", 0.0)
    found = totals(judge_settings(torch.from_numpy(p), torch.from_numpy(y), evidence, [setting]))
    weights = [slow_weights(row, setting) for row in m[:2]]
    scores = [[sum(weights[c][h] * one[h, c] for h in range(4)) for c in range(2)] for one in p]
    assert int(found.hits_S[0]) == sum(int(np.argmax(s)) == true for s, true in zip(scores, y, strict=True))


def test_a_grid_is_all_combinations_and_no_k_beyond_the_heads():
    settings = SettingGrid().settings(0.03, 50)
    assert {s.top_k for s in settings} == {None, 40, 20, 10, 5}
    assert len(settings) == len(set(settings)) == 2 * 2 * 6 * 5
    assert settings[0] == Setting(0.03, 0.5, None, "softmax", 0.0)
    assert {s.top_k for s in SettingGrid(top_k=(5,)).settings(0.03, 3)} == {None}


@pytest.mark.parametrize(
    ("hits", "log_p", "expected"),
    [
        ([3, 5, 4], [-1, -9, -2], 0),  # likelihood first
        ([5, 4, 5], [-2, -1, -1], 2),  # then accuracy
        ([5, 5, 5], [-1, -1, -1], 0),  # then the first
        ([5, 5, 5], [-1, -1 + 1e-10, -1], 0),  # the last bits of a sum decide nothing
    ],
)
def test_the_best_setting(hits, log_p, expected):
    hits, log_p, zeros = torch.tensor(hits).double(), torch.tensor(log_p).double(), torch.zeros(3)
    found = Tally(hits, log_p, zeros, zeros, torch.tensor([10.0]))
    assert best_setting(found) == expected


def test_gains_on_what_was_given():
    right = torch.tensor([[True, False], [True, True]])
    log_p = torch.tensor([[-1.0, -2.0], [-3.0, -4.0]], dtype=torch.float64)
    found = tally(Judged(right, log_p), torch.tensor([-2.0, -2.0], dtype=torch.float64))
    assert found.hits_S.tolist() == [2, 1]
    assert found.log_p_S.tolist() == [-4, -6]
    assert found.gain_S.tolist() == [0, -2]
    assert found.gain2_S.tolist() == [2, 4]
    assert found.num_clips.tolist() == [2]


@pytest.mark.parametrize(
    ("gains", "expected"),
    [([0, 0, 0, 0], False), ([1, 1, 1, 1], True), ([1, 1, 1, -1], True), ([2, -1, 1, -1], False)],
)
def test_better_by_more_than_a_standard_error(gains, expected):
    log_p = torch.tensor(gains, dtype=torch.float64)[:, None]
    found = tally(Judged(torch.ones(4, 1, dtype=torch.bool), log_p), torch.zeros(4).double())
    assert clearly_better(found, 0) is expected


def test_all_weight_maps_agree_with_head_weights():
    from calm_pl.functional import head_weights
    from calm_pl.functional.selection import _weights

    r = torch.tensor([[0.4, 0.0, 0.4, 0.1], [0.0, 0.0, 0.0, 0.0]], dtype=torch.float64)
    settings = [
        Setting(0.1, tau_w, k, weight_map, 0.0)
        for tau_w, k, weight_map in itertools.product((0.5, 0.001), (None, 1, 3), ("softmax", "power"))
    ]
    found = _weights(r, settings)
    for place, s in enumerate(settings):
        expected = head_weights(r, s.top_k, s.tau_w, s.weight_map)
        torch.testing.assert_close(found[:, place].float(), expected)
