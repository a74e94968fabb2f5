"""Suites: which runs a configuration with the section `suite` stands for."""

import pytest

from calm_pl.config.layers import shipped_suites
from calm_pl.config.suite import is_suite, load_suite
from calm_pl.errors import ConfigError

AUDIO, OMNI = "Qwen/Qwen2-Audio-7B-Instruct", "Qwen/Qwen2.5-Omni-7B"
NAMES = ("esc50", "vggsound", "audioset", "vggvideo", "asvspoof2019_la")
ROOTS = [f"data.roots.{name}=/d/{name}" for name in NAMES]


def test_the_papers_table(tmp_path):
    assert shipped_suites() == ["suites/paper.yaml"]
    suite = load_suite(["suites/paper.yaml"], [*ROOTS, "data.draws=3"])
    pairs = [(job.config.data.benchmark, job.config.model.path) for job in suite.jobs]
    assert pairs == [
        *((name, AUDIO) for name in ("esc50", "vggsound", "audioset", "asvspoof2019_la")),
        *((name, OMNI) for name in ("esc50", "vggsound", "audioset", "vggvideo", "asvspoof2019_la")),
    ]
    assert suite.order[:4] == (
        *("esc50-Qwen2-Audio-7B-Instruct", "esc50-Qwen2.5-Omni-7B"),
        *("vggsound-Qwen2-Audio-7B-Instruct", "vggsound-Qwen2.5-Omni-7B"),
    )
    assert suite.left_out == ()
    first = suite.jobs[0].config
    assert (first.data.root, first.data.draws, first.data.support_labels) == ("/d/esc50", 3, "pseudo")
    assert first.run.dir == "runs/paper/esc50-Qwen2-Audio-7B-Instruct"
    assert first.wandb.group == "paper"
    audioset = next(job.config for job in suite.jobs if job.config.data.benchmark == "audioset")
    assert audioset.voter.tau_p == 0.001  # of audioset.yaml


def test_benchmarks_without_a_folder_are_left_out():
    suite = load_suite(["suites/paper.yaml"], ["data.roots.vggsound=/d", "run.dir=out", "suite.models=[a/b]"])
    assert [(job.name, job.config.run.dir) for job in suite.jobs] == [("vggsound-b", "out/vggsound-b")]
    assert suite.left_out[0] == "esc50 is left out: data.roots.esc50 is not set."
    assert len(suite.left_out) == 4
    with pytest.raises(ConfigError, match=r"give a folder: data\.roots\.esc50=FOLDER"):
        load_suite(["suites/paper.yaml"], [])


def test_layers_of_a_run(tmp_path):
    (tmp_path / "mine.yaml").write_text("model: {path: a/b}\ndata: {benchmark: esc50, root: /x, shots: 1}\n")
    suite = tmp_path / "all.yaml"
    suite.write_text(
        f"suite: {{benchmarks: [{tmp_path}/mine.yaml, demo], only: {{demo: [c/d, c/d]}}}}\n"
        "data: {shots: 2, draws: 2}\nrun: {name: here}\n"
    )
    found = load_suite([str(suite)], ["data.draws=4"])
    assert [(job.config.data.shots, job.config.data.draws) for job in found.jobs] == [(2, 4)] * 3
    assert found.order == ("mine-b", "demo-d", "demo-d-2")
    assert str(found.folder) == "runs/here"
    assert [job.config.data.root for job in found.jobs] == ["/x", "bundled:esc10", "bundled:esc10"]


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["data.roots.esc05=/d"], "data.roots.esc05: must be among suite.benchmarks (esc50, "),
        (["suite.only.fsdd=[a/b]", *ROOTS], "suite.only.fsdd: must be among suite.benchmarks"),
        (["suite.benchmarks=[]"], "suite.benchmarks: must be one name or more"),
        (["suite.model=x"], "suite.model: unknown key; did you mean suite.models?"),
        ([*ROOTS, "data.shot=4"], "esc50: data.shot: unknown key; did you mean data.shots?"),
        (["suite.benchmarks=[esc05,vggvideo]"], "esc05: --config esc05: no such file"),
    ],
)
def test_faults_name_the_run(overrides, told):
    with pytest.raises(ConfigError) as caught:
        load_suite(["suites/paper.yaml"], overrides)
    assert told in str(caught.value)


def test_what_is_a_suite(tmp_path):
    (tmp_path / "bad.yaml").write_text("suite: [")
    assert is_suite(["esc50", "suites/paper"], [])
    assert is_suite(["esc50"], ["suite.models=[a/b]"])
    assert not is_suite(["esc50", "no/such.yaml", str(tmp_path / "bad.yaml")], ["data.root=/suite.x"])
