"""Every built-in benchmark has a configuration that loads, and a place in the documentation."""

import pytest
from conftest import REPO

from calm_pl.config.compose import load_config
from calm_pl.config.layers import shipped_configs
from calm_pl.data import BENCHMARKS, benchmark_facts
from docs_pages.benchmarks import benchmarks_table


@pytest.mark.parametrize("name", BENCHMARKS)
def test_configuration(name):
    config = load_config([f"{name}.yaml"], ["data.root=/data/x"])
    assert config.data.benchmark == name
    assert config.model.path.startswith("Qwen/Qwen2")
    assert config.model.dtype == "bfloat16"
    assert config.voter.tau_p == (0.001 if name == "audioset" else 0.03)
    assert config.voter.tau_w == 0.5
    assert ("Omni" in config.model.path) == (name == "vggvideo")


def test_no_configuration_is_of_an_unknown_benchmark():
    for name in shipped_configs():
        overrides = ["data.root=/data/x"]
        assert load_config([name], overrides).data.benchmark in BENCHMARKS


def test_spoofing_is_asked_with_two_options():
    assert load_config(["asvspoof2019_la.yaml"], ["data.root=x"]).data.n_options == 2


@pytest.mark.parametrize("name", BENCHMARKS)
def test_documentation(name):
    text = (REPO / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    facts = benchmark_facts(name)
    (row,) = [row for row in benchmarks_table().splitlines() if row.startswith(f"| `{name}.yaml` |")]
    assert all((facts.about, facts.sides))
    assert facts.about in row
    assert facts.sides in row
    if facts.clips:
        assert facts.home in text  # where to get it
        assert f"| {facts.classes} | {facts.clips:,} |" in row
        assert facts.licence in row
    assert "<!-- made: benchmarks -->" in text
