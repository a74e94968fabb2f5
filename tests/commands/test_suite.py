"""`fit-free` with a suite: one load of each model, one table, failures told, finished runs skipped."""

import json
import shutil

import pytest
from conftest import LEAN, make_esc50

from calm_pl import FrozenLALM
from calm_pl.runs import find_runs


@pytest.fixture
def suite(tmp_path, esc_root, tiny_folder):
    """Overrides of a suite of two small sets, of which the second has a leak."""
    leaky = make_esc50(tmp_path / "leaky", per_cell=1)
    meta = leaky / "meta" / "esc50.csv"
    rows = [line.rsplit(",", 2)[0] + ",7,A" for line in meta.read_text().splitlines()[1:]]
    meta.write_text("\n".join([meta.read_text().splitlines()[0], *rows]) + "\n")
    for name, root, shots in (("small", esc_root, 4), ("leaky", leaky, 1), ("fewer", esc_root, 2)):
        (tmp_path / f"{name}.yaml").write_text(
            f"model: {{path: {tiny_folder}}}\ndata: {{benchmark: esc50, root: {root}, shots: {shots}}}\n"
        )
    names = ", ".join(f"{tmp_path}/{name}.yaml" for name in ("small", "leaky", "fewer"))
    return [
        *(f"suite.benchmarks=[{names}]", "data.n_options=3", "data.num_workers=0", "bank.dir=bank"),
        *("trainer.accelerator=cpu", "trainer.devices=1", "run.dir=out", "methods=[sav,calm]", *LEAN),
    ]


def test_a_suite_is_run_reported_and_resumed(suite, call, tmp_path, monkeypatch):
    loads = []
    load = FrozenLALM.from_pretrained

    def counted(path, **more):
        loads.append(path)
        return load(path, **more)

    monkeypatch.setattr(FrozenLALM, "from_pretrained", counted)
    done = call("fit-free", *suite)
    assert done.returncode == 1
    assert len(loads) == 1
    assert "[1/3] small-tiny\n" in done.stderr
    assert "error: leaky-tiny: Support and query share" in done.stderr
    end = done.stdout.partition("\nleaky-tiny failed: Support and query share")
    assert "Page: out/index.html" in end[2]
    assert "4 shots" in end[0]
    assert "2 shots" in end[0]
    assert json.loads((tmp_path / "out/suite.json").read_text())["runs"] == [
        *("small-tiny", "leaky-tiny", "fewer-tiny"),
    ]
    page = (tmp_path / "out/index.html").read_text()
    assert "leaky-tiny failed: Support and query share" in page
    assert "ESC-50 subset, 3 of 50 classes, 4 shots" in page
    assert "<strong>" in page
    # In the order of the suite, not of the alphabet.
    assert [run.name for run in find_runs(["out"])] == ["small-tiny", "fewer-tiny"]
    before = (tmp_path / "out/small-tiny/results.json").stat().st_mtime_ns
    shutil.rmtree(tmp_path / "leaky")
    make_esc50(tmp_path / "leaky", per_cell=1)
    again = call("fit-free", *suite)
    assert again.returncode == 0, again.stderr
    assert again.stderr.count("finished earlier") == 2
    assert again.stdout.count("Results: out/leaky-tiny") == again.stdout.count("Results: ") == 1
    assert (tmp_path / "out/small-tiny/results.json").stat().st_mtime_ns == before
    assert [run.name for run in find_runs(["out"])] == ["small-tiny", "leaky-tiny", "fewer-tiny"]
    assert "failed" not in (tmp_path / "out/index.html").read_text()


def test_a_suite_is_shown_and_examined(suite, call):
    shown = call("fit-free", *suite, "--print-config")
    assert shown.returncode == 0
    assert shown.stdout.count("\n---\n") == 2
    assert "dir: out/fewer-tiny" in shown.stdout
