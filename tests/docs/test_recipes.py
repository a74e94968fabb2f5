"""The recipes of CONTRIBUTING.md, followed in a copy of the tree: what they add takes part in a job."""

import ast
import json
import re
import shutil
import subprocess
import sys

import pytest
from conftest import REPO, outside
from safetensors.torch import load_file, save_file

RECIPES = ("A voter", "A metric", "A benchmark", "A family of models", "A figure", "A command")
KNOWN_TO_TRANSFORMERS = """
import transformers


class MyConfig(transformers.Qwen2AudioConfig):
    model_type = "my_audio"


transformers.AutoConfig.register("my_audio", MyConfig)
transformers.AutoProcessor.register(MyConfig, transformers.Qwen2AudioProcessor)
transformers.Qwen2AudioForConditionalGeneration.config_class = MyConfig
"""
"""What the release of transformers that has such models does."""


def blocks():
    """File, place and text of every block of the recipes."""
    text = (REPO / "CONTRIBUTING.md").read_text(encoding="utf-8")
    recipes = text.partition("## Recipes")[2].partition("\n## ")[0]
    assert re.findall(r"^### (.+)$", recipes, re.MULTILINE) == [*RECIPES]
    for block in re.findall(r"^```\w+\n(.*?)^```$", recipes, re.MULTILINE | re.DOTALL):
        first, _, rest = block.partition("\n")
        file, _, place = first.removeprefix("# ").partition(", ")
        yield file, place, rest


def end_of(source, name):
    """Where a list or dictionary ends that is assigned to a name, or returned by a function: line, column."""
    for node in ast.parse(source).body:
        named = getattr(node, "name", None) or ast.unparse(getattr(node, "targets", [ast.Name("")])[0])
        if named == name:
            some = [one for one in ast.walk(node) if isinstance(one, ast.List | ast.Dict)]
            widest = max(some, key=lambda one: one.end_lineno - one.lineno)
            return widest.end_lineno - 1, widest.end_col_offset - 1
    raise AssertionError(f"no {name}")


def follow(tree):
    for file, place, text in blocks():
        path = tree / file
        if not place:
            assert not path.exists(), file
            path.write_text(text, encoding="utf-8")
            continue
        source = path.read_text(encoding="utf-8")
        if place == "among its imports":
            path.write_text(source.replace("\nimport ", f"\n{text}import ", 1), encoding="utf-8")
            continue
        if path.suffix == ".json":
            content = json.loads(source)
            content[place.removeprefix("in ")].append(json.loads(text))
            path.write_text(json.dumps(content), encoding="utf-8")
            continue
        lines = source.splitlines(keepends=True)
        line, column = end_of(source, place.removeprefix("in "))
        lines[line] = f"{lines[line][:column]}{text.rstrip()},\n{lines[line][column:]}"
        path.write_text("".join(lines), encoding="utf-8")


@pytest.fixture(scope="module")
def tree(tmp_path_factory, tiny_folder, esc_root):
    """A copy of the tree with all recipes, a run in it, and what a new command printed."""
    tree = tmp_path_factory.mktemp("tree")
    for name in ("calm_pl", "callbacks", "configs"):
        shutil.copytree(REPO / name, tree / name, ignore=shutil.ignore_patterns("__pycache__", "assets"))
    (tree / "calm_pl" / "assets").symlink_to(REPO / "calm_pl" / "assets")
    shutil.copytree(REPO / "calm_pl/report/assets", tree / "calm_pl/report/assets")
    shutil.copy(REPO / "launch.py", tree)
    (tree / "known.py").write_text(KNOWN_TO_TRANSFORMERS)
    shutil.copytree(tiny_folder, tree / "mine")
    config = json.loads((tree / "mine" / "config.json").read_text())
    (tree / "mine" / "config.json").write_text(json.dumps({**config, "model_type": "my_audio"}))
    # transformers renames this key for the types that it knows.
    weights = load_file(tree / "mine" / "model.safetensors")
    weights["lm_head.weight"] = weights.pop("language_model.lm_head.weight")
    save_file(weights, tree / "mine" / "model.safetensors", {"format": "pt"})
    follow(tree)
    settings = ("--plugins", "known.py", f"data.root={esc_root}", "model.path=mine", "run.dir=run")
    lean = (
        "data.num_workers=0",
        "wandb.mode=disabled",
        "trainer.accelerator=cpu",
        "methods=[calm,few_heads]",
    )
    callbacks = "callbacks=[run_record,predictions,figures]"
    job = ["fit-free", "--config", "tones.yaml", *settings, *lean, callbacks, "methods=[calm,few_heads]"]
    code = (
        "from calm_pl.commands.main import main;"
        f" import sys; sys.exit(main({job!r}) or main(['hello', 'reader']) or main(['list', 'benchmarks']))"
    )
    env = {**outside(), "PYTHONPATH": str(tree)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=tree, env=env, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return tree, done.stdout


def test_the_job_has_the_new_voter_and_metric(tree):
    folder, printed = tree
    results = json.loads((folder / "run" / "results.json").read_text())
    assert list(results["methods"]) == ["calm", "few_heads"]
    assert all("kappa" in entry for entry in results["methods"].values())
    assert "Few heads" in printed
    assert "Cohen kappa" in printed


def test_the_job_is_of_the_new_benchmark_and_family(tree):
    folder, printed = tree
    results = json.loads((folder / "run" / "results.json").read_text())
    assert results["benchmark"] == "tones"
    assert results["model"] == "mine"
    assert results["n_query"] == 9
    assert "Tones" in printed


def test_the_new_figure_is_drawn(tree):
    folder, _ = tree
    index = json.loads((folder / "run" / "figures" / "index.json").read_text())
    assert "class_sizes" in json.dumps(index)
    assert (folder / "run" / "figures" / "class_sizes.svg").is_file()


def test_the_new_command_runs(tree):
    assert "Hello, reader!" in tree[1]
