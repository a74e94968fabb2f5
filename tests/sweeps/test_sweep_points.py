"""From a sweep to its points: each once, heads as numbers, references beside the grid."""

import dataclasses

import pytest

from calm_pl.jobs.parts import voters_of
from calm_pl.methods import METHODS
from calm_pl.sweeps.points import DEFAULT, GRID, LOO, passes, points_of, reads, too_many_heads
from calm_pl.sweeps.settings import SWEPT, configured, load_sweep


def job(*overrides, files=()):
    return load_sweep(["demo.yaml", *files], list(overrides))


def points(one, num_heads=40):
    return [point for work in passes(one) for point in points_of(one, work, num_heads)]


def column(some, name, chosen=GRID, method="calm"):
    return [p.settings[name] for p in some if (p.chosen, p.method) == (chosen, method)]


def test_as_many_heads_as_there_are_or_more_are_all_and_come_once():
    one = job(files=["sweeps/figure4.yaml"])
    (work,) = passes(one)
    assert column(points_of(one, work, 40), "top_k") == [5, 10, 20, 40]
    assert column(points_of(one, work, 400), "top_k") == [5, 10, 20, 40, 100, 300, 400]
    assert column(points_of(one, work, 3), "top_k") == [3]
    assert too_many_heads(work, 40) == [100, 300, 500]


def test_shares_of_heads_are_numbers_and_at_least_one():
    one = job("sweep.grid.voter.top_k=[1%,30%,12.5%,100%]", "methods=[calm]")
    found = [p for p in points(one) if p.chosen == GRID]
    assert [p.settings["top_k"] for p in found] == [1, 12, 5, 40]
    assert [p.config.voter.top_k for p in found] == [1, 12, 5, 40]


def test_settings_that_a_method_does_not_read_make_no_other_point():
    one = job(
        "sweep.grid.voter.tau_p=[0.1,1]", "sweep.grid.data.shots=[2,5]", "methods=[zero_shot,sav,calm,gda]"
    )
    counts = {m: sum((p.method, p.chosen) == (m, GRID) for p in points(one)) for m in one.methods}
    assert counts == {"zero_shot": 1, "sav": 2, "calm": 4, "gda": 2}
    assert column(points(one), "tau_p", method="sav") == [None, None]


@pytest.mark.parametrize("method", METHODS.keys())
def test_a_method_reads_what_changes_its_voter(method):
    other = {"score": "dot", "reliability": "prob", "weight_map": "power", "reliability_split": "loo"}
    plain = job("sweep.grid.voter.tau_p=[1]")
    for name, path in SWEPT.items():
        if not path.startswith("voter."):
            continue
        changed = configured(plain, {name: other.get(name, 7)})
        before, after = (
            voters_of(dataclasses.replace(c, methods=[method])).get(method)
            for c in (configured(plain, {}), changed)
        )
        differs = before is not None and before.get_params() != after.get_params()
        assert differs == (name in reads(method)), name


def test_the_configured_setting_and_the_one_of_loo_stand_beside_the_grid():
    one = job(
        "sweep.grid.voter.tau_p=[0.1,1]",
        "sweep.grid.data.shots=[2,5]",
        "methods=[sav,calm]",
        "voter.tau_p=0.5",
    )
    found = points(one)
    assert column(found, "tau_p", DEFAULT) == [0.5, 0.5]
    assert column(found, "shots", DEFAULT) == column(found, "shots", LOO) == [2, 5]
    assert {p.config.voter.select for p in found if p.chosen == LOO} == {"loo"}
    assert {p.config.voter.select for p in found if p.chosen != LOO} == {"none"}
    assert column(found, "tau_p", DEFAULT, "sav") == []  # nothing varies for it but its data


def test_no_references_where_none_are_wanted_or_nothing_of_the_voter_varies():
    for one in (
        job("sweep.grid.voter.tau_p=[0.1,1]", "sweep.references=false"),
        job("sweep.grid.data.shots=[2,5]"),
        job(files=["sweeps/table3.yaml"]),
    ):
        assert {p.chosen for p in points(one)} == {GRID}


def test_a_case_keeps_its_own_setting_in_its_references():
    one = job("sweep.grid.voter.top_k=[1,2]", "sweep.cases.dot.voter.score=dot", "methods=[calm]")
    found = points(one)
    assert column(found, "score", DEFAULT) == column(found, "score", LOO) == ["dot"]
    assert column(found, "top_k", DEFAULT) == [40]


def test_points_that_share_the_model_and_the_clips_share_a_pass():
    one = job(
        *(
            "sweep.grid.voter.tau_p=[0.1,1]",
            "sweep.grid.data.shots=[2,9,5]",
            "sweep.grid.model.last_n_tokens=[1,2]",
        )
    )
    found = passes(one)
    assert [(work.config.model.last_n_tokens, work.config.data.shots) for work in found] == [(1, 9), (2, 9)]
    assert [len(work.combinations) for work in found] == [6, 6]
    (work,) = passes(job("sweep.grid.data.shots=[2,all,5]"))
    assert work.config.data.shots is None


def test_held_out_clips_follow_the_support_so_shots_have_passes_of_their_own():
    one = job(
        *("sweep.grid.data.shots=[2,5]", "sweep.cases.held.data.heldout_shots=3"),
        *("sweep.cases.held.voter.reliability_split=heldout", "sweep.cases.plain.voter.tau_w=1"),
    )
    places = [(work.config.data.shots, work.config.data.heldout_shots) for work in passes(one)]
    assert places == [(2, 3), (5, 3), (5, 0)]
