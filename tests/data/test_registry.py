"""Benchmarks by name: built in, of other packages, and none of that name."""

import subprocess
import sys

import pytest
from conftest import REPO, outside

from calm_pl.commands import doctor
from calm_pl.commands.list_benchmarks import read_benchmarks, show_benchmarks
from calm_pl.data import BENCHMARKS, benchmark_class, benchmark_facts, benchmark_names
from calm_pl.data.benchmark import Benchmark
from calm_pl.errors import DataError

# All that docs/benchmarks.md asks of someone who adds a benchmark: one file and one YAML.
PLUGIN = """
from calm_pl.data.benchmark import Benchmark
from calm_pl.data.questions.clips import Clip, Listing
from calm_pl.data.facts import Facts


class Birds(Benchmark):
    default_question = "Which bird sings?"
    facts = Facts("Birds", "CC0", "https://example.org", "a folder with {label}-{take}-{split}.wav")

    def read(self):
        clips = []
        for path in sorted(self.root.glob("*.wav")):
            label, take, split = path.stem.split("-")
            clips.append(Clip(path.name, path, (label,), (f"take {take}",), split=split))
        return Listing(tuple(sorted({clip.labels[0] for clip in clips})), clips)
"""
YAML = """
model:
  path: bundled:tiny_lalm
data:
  benchmark: birds
  root: ???
  shots: 1
  n_options: 2
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put a package with entry points on the path."""
    site = tmp_path / "site"

    def put(source, **points):
        info = site / "birds_of_mine-1.0.dist-info"
        info.mkdir(parents=True)
        (site / "birds_of_mine.py").write_text(source)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: birds-of-mine\nVersion: 1.0\n")
        lines = [f"{name} = {value}" for name, value in points.items()]
        (info / "entry_points.txt").write_text("\n".join(["[calm_pl.benchmarks]", *lines]) + "\n")
        monkeypatch.syspath_prepend(site)
        return site

    yield put
    sys.modules.pop("birds_of_mine", None)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_built_in_benchmark_has_facts(name):
    cls = benchmark_class(name)
    assert issubclass(cls, Benchmark)
    assert cls.facts is benchmark_facts(name)
    assert sum(cls.facts.splits.values()) in (0, cls.facts.clips)
    assert all((cls.facts.title, cls.facts.licence, cls.facts.home, cls.facts.layout))


def test_every_file_of_the_room_is_a_benchmark_of_its_name():
    files = {path.stem for path in (REPO / "calm_pl/data/benchmarks").glob("*.py")} - {"__init__"}
    assert {*BENCHMARKS} == {*files, "folder", "manifest", "huggingface"}
    assert benchmark_names()[: len(BENCHMARKS)] == list(BENCHMARKS)
    assert benchmark_class("esc50").__name__ == "ESC50"
    assert benchmark_class("vggvideo").__name__ == "VGGVideo"


def test_facts_need_neither_torch_nor_lightning():
    code = (
        "import sys; from calm_pl.data import benchmark_facts, benchmark_names;"
        " print([benchmark_facts(name).title for name in benchmark_names()]);"
        " print({'torch', 'lightning', 'transformers'} & sys.modules.keys())"
    )
    env = {**outside(), "PYTHONPATH": str(REPO)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"


def test_an_unknown_name_gives_the_nearest():
    with pytest.raises(DataError, match=r"no benchmark 'esc_50'. Did you mean esc50\? There are: asv"):
        benchmark_class("esc_50")


def test_a_benchmark_of_another_package_runs_from_the_command_line(install, tmp_path, write_birds, capsys):
    install(PLUGIN, birds="birds_of_mine:Birds")
    (tmp_path / "birds.yaml").write_text(YAML)
    args = ["--config", str(tmp_path / "birds.yaml"), f"data.root={write_birds}", f"run.dir={tmp_path}/run"]
    status = doctor.run(args, "doctor", False)
    out = capsys.readouterr().out
    assert status == 0, out
    assert f"✓ data: Birds found in {write_birds}" in out
    assert "✓ labels: 2 classes, owl, wren" in out
    assert "✓ clips: all 4 can be decoded" in out


@pytest.fixture
def write_birds(tmp_path):
    import numpy as np
    import soundfile

    root = tmp_path / "birds"
    root.mkdir()
    for i, (label, split) in enumerate((a, b) for a in ("owl", "wren") for b in ("train", "test")):
        soundfile.write(root / f"{label}-{i}-{split}.wav", np.full(8_000, 0.1 * i), 8_000)
    return root


def test_a_plug_in_is_listed(install, capsys):
    install(PLUGIN, birds="birds_of_mine:Birds")
    assert benchmark_names()[-1] == "birds"
    show_benchmarks(read_benchmarks())
    out = capsys.readouterr().out
    assert "CC0" in out
    assert all(name in out for name in BENCHMARKS)
    assert "199,176" in out


@pytest.mark.parametrize(
    ("source", "value", "message"),
    [
        ("import none_such", "birds_of_mine:Birds", "cannot be loaded: ModuleNotFoundError: No module named"),
        ("1 / 0", "birds_of_mine:Birds", "cannot be loaded: ZeroDivisionError"),
        ("", "birds_of_mine:Birds", "cannot be loaded: AttributeError"),
        ("Birds = 3", "birds_of_mine:Birds", "must be a subclass of Benchmark, but is 3"),
        (PLUGIN.replace("    facts = ", "    fax = "), "birds_of_mine:Birds", "must have `facts`"),
    ],
)
def test_a_broken_plug_in_breaks_no_other(install, capsys, source, value, message):
    install(source, birds=value)
    with pytest.raises(DataError, match=f"benchmark 'birds' of the package 'birds-of-mine'.*{message}"):
        benchmark_class("birds")
    assert benchmark_class("esc50").__name__ == "ESC50"
    show_benchmarks(read_benchmarks())
    out = capsys.readouterr().out
    assert "The benchmark 'birds' of the package 'birds-of-mine'" in out
    assert "urbansound8k" in out


def test_a_plug_in_cannot_take_a_built_in_name(install):
    install(PLUGIN, esc50="birds_of_mine:Birds")
    assert benchmark_class("esc50").__name__ == "ESC50"
    assert benchmark_names().count("esc50") == 1
