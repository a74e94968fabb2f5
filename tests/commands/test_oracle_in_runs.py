"""`voter.select=oracle`: marked rows, the gap to leave-one-out, on any number of ranks."""

import json

import pytest
from conftest import LEAN
from rank_processes import Job

from calm_pl import load_classifier

QUIET = ["callbacks=[predictions,run_record]", "wandb.mode=disabled", "trainer.enable_progress_bar=false"]


@pytest.fixture(scope="module")
def by_ranks(esc_root, tiny_folder, tmp_path_factory):
    found = {}
    for ranks in (1, 2):
        folder = tmp_path_factory.mktemp(f"oracle{ranks}")
        job = [
            "fit-free",
            "data.benchmark=esc50",
            f"data.root={esc_root}",
            f"model.path={tiny_folder}",
            "data.shots=4",
            "data.draws=2",
            "data.n_options=0",
            "data.num_workers=0",
            "trainer.accelerator=cpu",
            f"trainer.devices={ranks}",
            "methods=[sav,calm_global,calm]",
            "voter.select=oracle",
            "bank.dir=bank",
            "run.dir=run",
            *LEAN,
            *QUIET,
        ]
        ended = Job(folder, job, ranks, 0.0, "job").wait(120)
        assert set(ended.statuses) == {0}, ended.output
        found[ranks] = json.loads((folder / "run/results.json").read_text()), folder, ended.output
    return found


def test_the_oracle_is_no_worse_than_what_the_support_chose(by_ranks):
    methods = by_ranks[1][0]["methods"]
    assert list(methods) == ["sav", "calm_global", "calm", "calm_global_oracle", "calm_oracle"]
    for name in ("calm_global", "calm"):
        assert methods[name]["chosen_on"] == "support"
        assert methods[f"{name}_oracle"]["chosen_on"] == "query"
        assert len(methods[f"{name}_oracle"]["settings"]) == 2  # one a draw
        for own, best in zip(methods[name]["rounds"], methods[f"{name}_oracle"]["rounds"], strict=True):
            assert best["accuracy"] >= own["accuracy"]


def test_its_pass_over_the_query_counts_as_encoding(by_ranks):
    results = by_ranks[1][0]
    (one,) = results["encodings"]
    assert one["questions"] == results["n_support"] + results["n_query"]
    assert one["seconds"] > results["seconds"]["support"]


def test_it_is_marked_and_takes_no_part_in_comparisons(by_ranks):
    results, folder, output = by_ranks[1]
    assert "CALM, oracle" in output
    assert "selected on the query set: an upper bound" in " ".join(output.split())
    compared = {one[side] for one in results["differences"] for side in ("better", "worse")}
    assert compared == {"sav", "calm_global", "calm"}
    assert set(load_classifier(folder / "run/classifier.safetensors").voters) == compared


def test_two_ranks_choose_as_one(by_ranks):
    assert by_ranks[1][0]["methods"] == by_ranks[2][0]["methods"]


def test_it_needs_a_bank(call, small_job):
    ended = call("fit-free", *small_job, *QUIET, "voter.select=oracle", "bank.dir=null")
    assert ended.returncode != 0
    assert "voter.select: oracle reads the query twice and needs a bank" in ended.stderr
