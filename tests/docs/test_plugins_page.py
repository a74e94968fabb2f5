"""Parts of other installed packages: one package adds one of each kind."""

import re
import sys

import pytest
from conftest import REPO
from documents import blocks

from calm_pl.config.callbacks import CALLBACKS
from calm_pl.data import PLUGIN_GROUP, benchmark_class
from calm_pl.errors import ConfigError, ModelError
from calm_pl.methods import METHODS
from calm_pl.metrics.info import METRICS
from calm_pl.models.families.table import ENTRY_POINTS, family_types, find_family
from calm_pl.rows import RowTable

PARTS = """
from calm_pl.data.benchmark import Benchmark
from calm_pl.data.facts import Facts
from calm_pl.methods import Method
from calm_pl.metrics.info import MetricInfo

FEW = Method("few", "Few", "Few heads.", voter="my_parts:Few")
KAPPA = MetricInfo("kappa", "Kappa", "Kappa.", measure="my_parts:Kappa")


class Birds(Benchmark):
    facts = Facts("Birds", "CC0", "https://example.org", "a folder")
"""
POINTS = {
    "calm_pl.methods": "few = my_parts:FEW",
    "calm_pl.metrics": "kappa = my_parts:KAPPA",
    "calm_pl.benchmarks": "birds = my_parts:Birds",
    "calm_pl.callbacks": "counts = my_parts:COUNTS",
    "calm_pl.families": "my_qwen = my_parts:MY_QWEN",
}


def shown():
    """The code that docs/plugins.md shows."""
    return "\n".join(block.text for block in blocks(REPO / "docs/plugins.md") if block.language == "python")


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put a package with these entry points on the path."""

    def put(source, points):
        info = tmp_path / "my_parts-1.0.dist-info"
        info.mkdir()
        (tmp_path / "my_parts.py").write_text(source)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-parts\nVersion: 1.0\n")
        lines = [f"[{group}]\n{line}" for group, line in points.items()]
        (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
        monkeypatch.syspath_prepend(tmp_path)

    yield put
    sys.modules.pop("my_parts", None)


def fresh(table):
    """A table as a new process has it: entry points not yet read."""
    return RowTable(table.kind, table.group, table.noun, list(table))


def test_one_package_adds_every_kind(install):
    install(shown() + PARTS, POINTS)
    assert fresh(METHODS)["few"].title == "Few"
    assert fresh(METRICS)["kappa"].title == "Kappa"
    assert fresh(CALLBACKS)["counts"].make == "my_parts:counts"
    assert benchmark_class("birds").facts.title == "Birds"
    assert "my_qwen" in family_types()
    assert find_family("my_qwen").model_class == "Qwen2AudioForConditionalGeneration"


def test_the_page_names_every_group():
    groups = {METHODS.group, METRICS.group, CALLBACKS.group, PLUGIN_GROUP, ENTRY_POINTS}
    page = (REPO / "docs/plugins.md").read_text(encoding="utf-8")
    assert set(re.findall(r"`(calm_pl\.\w+)` \|", page)) == groups == POINTS.keys()


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("1 / 0", "cannot be loaded: ZeroDivisionError: division by zero; fix or uninstall"),
        ("COUNTS = MY_QWEN = 3", "must be a .*, but is 3"),
    ],
)
def test_a_part_that_fails_is_named_with_its_package(install, source, told):
    install(source, POINTS)
    with pytest.raises(ConfigError, match=f"'counts' of the package 'my-parts' .my_parts:COUNTS.*{told}"):
        fresh(CALLBACKS).keys()
    with pytest.raises(ModelError, match=f"'my_qwen' of the package 'my-parts' .my_parts:MY_QWEN.*{told}"):
        find_family("my_qwen")
