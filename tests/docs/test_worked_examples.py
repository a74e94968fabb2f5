"""The tutorial and the page on models, run from top to bottom: what they show is what is printed.

One demo run and its bank serve all tests here.
"""

import contextlib
import csv
import io
import json
import re
import shutil
import sys
import tomllib
from types import SimpleNamespace
from typing import NamedTuple
from unittest import mock

import pytest
from conftest import REPO
from documents import PAGES, SHELL, Block, blocks, commands, not_printed, refreshed

from calm_pl.commands.main import main
from calm_pl.config.compose import load_config
from calm_pl.data import PLUGIN_GROUP

WORKED = ("docs/tutorial.md", "docs/own-model.md")
QUICKER = ["wandb.mode=disabled", "data.num_workers=0"]  # neither shows in what is printed
BESIDE = [
    *("fit-free", "--config", "demo.yaml", "run.name=oracle", "data.shots=5", "data.draws=2"),
    *("methods=[calm]", "voter.select=oracle", "callbacks=[run_record,predictions]"),
]
"""A run that no page shows, for the fields of results.json that only such a run has."""


class Step(NamedTuple):
    """A command or a block of Python, as run."""

    block: Block
    shown: str
    printed: str
    status: int


@pytest.fixture(scope="module")
def worked(tmp_path_factory):
    """The folder of the runs, and the steps of all worked pages in their order."""
    folder = tmp_path_factory.mktemp("worked")
    return SimpleNamespace(folder=folder, steps=work_through(folder))


def work_through(folder):
    """Run all worked pages in a folder; returns their steps."""
    shutil.copytree(REPO / "calm_pl" / "assets" / "esc10" / "audio", folder / "calm_pl/assets/esc10/audio")
    steps = []
    with (
        contextlib.chdir(folder),
        mock.patch.object(sys, "argv", ["launch.py"]),
        mock.patch.dict("os.environ", COLUMNS="80"),
    ):
        for page in WORKED:
            found = blocks(REPO / page)
            for block, below in zip(found, [*found[1:], None], strict=True):
                if block.language == "python" or block.language in SHELL:
                    shown = below.text if below is not None and below.language == "text" else ""
                    steps.append(Step(block, shown, *carry_out(block)))
        call(BESIDE)
    return steps


def carry_out(block):
    """Run a block in this process; returns what it printed and its exit status."""
    if block.language == "python":
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(compile(block.text, f"{block.page}:{block.line}", "exec"), {})
        return out.getvalue(), 0
    ((*words,),) = commands(block)
    return call(make_recipe("demo") if words == ["make", "demo"] else words[2:])


def call(words):
    """Run a command line of this package."""
    out = io.StringIO()
    quicker = QUICKER if "demo.yaml" in words else []
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        status = main([*words, *quicker])
    return out.getvalue(), status


def make_recipe(target):
    """The command line that `make` would run, after `launch.py`."""
    makefile = (REPO / "Makefile").read_text()
    return re.search(rf"^{target}:.*\n\t\$\(BIN\)/python launch\.py (.+)$", makefile, re.MULTILINE)[1].split()


def test_what_is_shown_is_what_is_printed(worked):
    assert len(worked.steps) > 8
    for step in worked.steps:
        missing = not_printed(step.shown, step.printed)
        assert missing is None, f"{step.block.page}:{step.block.line} shows\n{missing}\nbut:\n{step.printed}"
        assert step.status == (1 if step.shown.startswith("error:") else 0), step.printed


def test_the_opening_table_of_the_readme(worked):
    (table,) = [block for block in blocks(REPO / "README.md") if block.text.startswith("esc50 ·")]
    demo = worked.steps[0]
    assert commands(demo.block) == [["make", "demo"]]
    assert not_printed(table.text, demo.printed) is None


def test_the_figures_are_those_of_the_demo(worked):
    (demo,) = worked.folder.glob("runs/esc50-tiny_lalm-*")
    for path in (REPO / "docs" / "figures").iterdir():
        texts = [
            "\n".join(re.findall(r"<text[^>]*>([^<]*)", file.read_text(encoding="utf-8")))
            for file in (path, demo / "figures" / path.name)
        ]
        assert not_printed(*texts) is None, f"{path}: make docs-numbers"
        assert texts[0]


def test_the_readme_is_short():
    assert len((REPO / "README.md").read_text(encoding="utf-8").split()) < 700


def test_the_readme_names_every_file_of_a_run(worked):
    text = (REPO / "README.md").read_text(encoding="utf-8")
    (demo,) = worked.folder.glob("runs/esc50-tiny_lalm-*")
    assert [path.name for path in demo.iterdir() if f"`{path.name}" not in text] == []


# Fields of data sets and methods that are not here.
ELSEWHERE = {"breakdown", "pseudo_labels", "map", "eer", "transductive"}


def test_the_page_on_results_names_every_field_and_no_other(worked):
    page = (REPO / "docs/reference/results.md").read_text(encoding="utf-8")
    top, *parts = [fields(part) for part in re.split(r"^## ", page, flags=re.MULTILINE)]
    runs = [json.loads(path.read_text()) for path in worked.folder.glob("runs/*/results.json")]
    assert len(runs) == 5
    methods = [entry for run in runs for entry in run["methods"].values()]
    differences = [entry for run in runs for entry in run["differences"]]
    for found, documented in ((runs, top), (methods, parts[0]), (differences, parts[1])):
        assert {name for entry in found for name in entry} == documented - ELSEWHERE


def fields(part):
    """Names between backticks in the first column of a table."""
    return {
        name
        for row in re.findall(r"^\|([^|]+)\|", part, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    }


def test_the_columns_of_the_predictions(worked):
    page = (
        (REPO / "docs/reference/results.md").read_text(encoding="utf-8").partition("## `predictions.csv`")[2]
    )
    with (worked.folder / "runs/no-options/predictions.csv").open() as file:
        header = next(csv.reader(file))
    named = re.findall(r"`(\w+)`", page)
    methods = ["sav", "calm", "calm_auto"]
    assert header == [*named[:6], *(column for one in methods for column in (one, f"{one}_confidence"))]
    assert named[6] == "METHOD_confidence"


BEFORE = {
    "README.md": """
import torch
waveform = torch.zeros(16_000).numpy()
support_vectors, query_vectors, labels = torch.randn(6, 4, 8), torch.randn(3, 4, 8), [0, 1] * 3
""",
    "docs/long-recordings.md": """
import pathlib, shutil, soundfile
from calm_pl.assets import resolve
from calm_pl.commands.main import main
for label in ("0", "10"):
    for clip in sorted(pathlib.Path(resolve("bundled:esc10"), "audio").glob(f"*-{label}.ogg"))[:4]:
        shutil.copy(clip, pathlib.Path("birds", label).mkdir(parents=True, exist_ok=True) or f"birds/{label}")
soundfile.write("night.flac", *soundfile.read(clip))
quick = ("trainer.accelerator=cpu", "data.num_workers=0", "callbacks=[run_record]", "wandb.mode=disabled")
assert main(["train", "birds", "--model", "bundled:tiny_lalm", "model.dtype=auto", *quick]) == 0
""",
}
"""What a page's Python takes as given."""


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(block, id=f"{block.page}:{block.line}")
        for path in PAGES
        for block in blocks(path)
        if block.language == "python"
        # the example of docs/callbacks.md is run by tests/callbacks, the recipes by test_recipes.py
        and block.page not in (*WORKED, "docs/callbacks.md", "CONTRIBUTING.md")
    ],
)
def test_other_python(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = block.text.replace("Qwen/Qwen2-Audio-7B-Instruct", "bundled:tiny_lalm")
    exec(
        compile(BEFORE.get(block.page, "") + text, f"{block.page}:{block.line}", "exec"),
        {"__name__": "shown"},
    )


@pytest.mark.parametrize("page", ["docs/reference/configuration.md", "docs/add-a-benchmark.md"])
def test_configurations_are_read(page, tmp_path):
    (block,) = [block for block in blocks(REPO / page) if block.language == "yaml"]
    file = tmp_path / "shown.yaml"
    file.write_text(block.text.replace("benchmark: birds", "benchmark: folder"))
    assert load_config([str(file)], ["data.root=/data"]).model.path == "Qwen/Qwen2-Audio-7B-Instruct"


def test_the_entry_point_of_a_benchmark():
    (block,) = [block for block in blocks(REPO / "docs/add-a-benchmark.md") if block.language == "toml"]
    assert tomllib.loads(block.text)["project"]["entry-points"] == {
        PLUGIN_GROUP: {"birds": "birds_of_mine:Birds"}
    }


@pytest.mark.parametrize(
    ("shown", "missing"),
    [
        ("CALM 78.3 65.6–90.9\nn 60", None),
        ("CALM   77.1   66.0–90.0", None),
        ("n 60\n...\nend", None),
        ("CALM 72.1 65.6–90.9", "CALM 72.1 65.6–90.9"),
        ("n 61", "n 61"),
        ("SAVs", "SAVs"),
        ("end\n...\nn 60", "n 60"),
    ],
)
def test_output_that_is_not_printed_is_noticed(shown, missing):
    assert not_printed(shown, "  CALM   78.3\n 65.6–90.9  \nn 60 end") == missing


@pytest.mark.parametrize(
    ("shown", "new", "missing"),
    [
        ("CALM   77.1  64.0–90.0", "CALM   78.3  65.6–90.9", []),
        ("CALM  7.1  64.0–90.0", "CALM 78.3  65.6–90.9", []),
        ("CALM  100.1  64.0–90.0", "CALM   78.3  65.6–90.9", []),
        ("n 6\n...\nend", "n 60\n...\nend", []),
        ("SAVs 5\n...\nn 1", "SAVs 5\n...\nn 60", ["SAVs 5"]),
    ],
)
def test_numbers_are_refreshed_in_their_columns(shown, new, missing):
    assert refreshed(shown, "  CALM   78.3\n 65.6–90.9  \nn 60 end") == (new, missing)
