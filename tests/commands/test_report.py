"""`report`: one run's page again, several runs side by side."""

import json
import re
import shutil

import pytest
from conftest import command_line, make_esc50
from made_runs import make_run

from calm_pl import load_classifier
from calm_pl.report import read_run
from calm_pl.report.comparison import compare


@pytest.fixture(scope="module")
def finished(tmp_path_factory, tiny_folder):
    """A finished run with sound in its page, on data of its own."""
    folder = tmp_path_factory.mktemp("job")
    root = make_esc50(folder / "esc", per_cell=2)
    settings = ("data.benchmark=esc50", f"data.root={root}", f"model.path={tiny_folder}", "data.shots=4")
    rest = ("data.n_options=3", "data.num_workers=0", "trainer.accelerator=cpu", "trainer.devices=1")
    quiet = ("wandb.mode=disabled", "report.audio=true", "run.dir=run")
    command_line(folder, "fit-free", *settings, *rest, *quiet)
    return folder / "run"


def sounds_in(page):
    return len(re.findall("data:audio/mpeg", page.read_text()))


def test_the_page_comes_again_from_the_folder_byte_for_byte(finished, call):
    page = finished / "report.html"
    before = page.read_bytes()
    assert sounds_in(page) == 6
    page.unlink()
    result = call("report", finished)
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"Report: {page}\n"
    assert page.read_bytes() == before


def test_sound_can_be_left_out_of_a_page_to_be_passed_on(finished, call, tmp_path):
    assert call("report", finished, "--no-audio", "--out", tmp_path / "quiet.html").returncode == 0
    assert sounds_in(tmp_path / "quiet.html") == 0
    assert sounds_in(finished / "report.html") == 6


def test_data_that_are_gone_are_said_to_be(finished, call, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(finished, moved)
    config = (moved / "config.yaml").read_text().replace(str(finished.parent / "esc"), str(tmp_path / "gone"))
    (moved / "config.yaml").write_text(config)
    result = call("report", moved)
    assert result.returncode == 0, result.stderr
    assert sounds_in(moved / "report.html") == 0
    assert "No audio is embedded: data.root is" in (moved / "report.html").read_text()


def test_runs_are_compared_in_the_terminal_and_on_a_page(call, tmp_path):
    make_run(tmp_path / "a", seed=1, right=0.9, clips=20)
    make_run(tmp_path / "b", seed=2, right=0.5, clips=20, config="data:\n  shots: 9\n")
    make_run(tmp_path / "c", seed=3, right=0.9, clips=10)
    result = call("report", tmp_path / "a", tmp_path / "b", tmp_path / "c", "--out", "compared.html")
    assert result.returncode == 0, result.stderr
    comparison = compare([read_run(tmp_path / name) for name in "abc"])
    for found in comparison.differences:
        assert f"{100 * found.difference:+.1f}" in result.stdout
        assert f"{100 * found.interval.low:.1f} to {100 * found.interval.high:.1f}" in result.stdout
    assert comparison.of("calm", 1).significant
    assert "Ranking" in result.stdout
    assert " yes" in result.stdout
    assert "b has the same query set as a: 120 questions." in result.stdout
    assert "c shares 60 of its 60 questions with a (120)" in " ".join(result.stdout.split())
    page = (tmp_path / "compared.html").read_text()
    assert "<script>alert(1)" not in page
    assert "data.shots" in page
    for entry in read_run(tmp_path / "b").methods.values():
        assert f">{100 * entry['accuracy']:.1f}</td>" in page


@pytest.mark.parametrize("names", [("a", "b"), ("esc50-Qwen2-Audio-7B-Instruct-0a1b2c3d", "esc50-[bold]-4")])
def test_a_comparison_at_80_columns_names_method_and_run_in_each_row(call, tmp_path, monkeypatch, names):
    monkeypatch.setenv("COLUMNS", "80")
    make_run(tmp_path / names[0], methods=("calm_auto", "sav"))
    make_run(tmp_path / names[1], methods=("sav", "calm_global", "gda"))
    result = call("report", *names)
    assert result.returncode == 0, result.stderr
    lines = [line.rstrip() for line in result.stdout.splitlines()]
    short = names if names == ("a", "b") else ("run 1", "run 2")
    rows = [re.fullmatch(r" *(\d) +(\S+) +(run \d|a|b) .*", line) for line in lines]
    ranked = [row.groups() for row in rows if row]
    assert {one[1:] for one in ranked} == {
        ("CALM-Auto", short[0]),
        *(("SAVs", name) for name in short),
        ("CALM-Global", short[1]),
        ("GDA", short[1]),
    }
    assert [int(one[0]) for one in ranked] == sorted(int(one[0]) for one in ranked)
    assert sum(re.match(rf" *SAVs +{short[1]} +(yes|no) +[+-]", line) is not None for line in lines) == 1
    assert max(map(len, lines)) <= 80
    if short != names:
        assert lines[:2] == [f"run 1: {names[0]}", f"run 2: {names[1]}"]


def test_a_comparison_without_out_writes_nothing(call, tmp_path):
    make_run(tmp_path / "a")
    before = sorted(tmp_path.rglob("*"))
    assert call("report", tmp_path / "a", tmp_path / "a").returncode == 0
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("arguments", [["nowhere"], ["a", "nowhere"]])
def test_a_folder_that_is_no_run_is_named(call, tmp_path, arguments):
    make_run(tmp_path / "a")
    result = call("report", *arguments)
    assert result.returncode == 1
    assert "nowhere: contains no finished run" in result.stderr
    assert "Traceback" not in result.stderr


def test_other_mistakes(call, tmp_path):
    make_run(tmp_path / "a")
    make_run(tmp_path / "b", prefix="other")
    result = call("report", "a", "b")
    assert (result.returncode, "shares no query clip" in result.stderr) == (1, True)
    result = call("report", "a", "--out", tmp_path)
    assert (result.returncode, "--out: must be a file" in result.stderr) == (1, True)
    with pytest.raises(SystemExit):
        call("report", "a", "a", "--audio")


def test_results_say_what_the_page_needs(finished):
    results = json.loads((finished / "results.json").read_text())
    assert results["classes"] == ["dog", "rain", "siren"]
    heads = load_classifier(finished / "classifier.safetensors").voters["calm"].weights_.shape[1]
    assert results["heads"]["layers"] * results["heads"]["heads_per_layer"] == heads
    assert results["remarks"][0].startswith("In %")
