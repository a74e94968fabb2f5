"""`list` answers at once, from tables that ship with the package."""

import json
import subprocess
import sys

import pytest
from conftest import REPO


def test_models_in_words(launch):
    result = launch("list", "models", check=True)
    lines = result.stdout.splitlines()
    place = next(n for n, line in enumerate(lines) if line.startswith("Qwen2-Audio "))
    assert lines[place].endswith("audio (Qwen2-Audio-7B, 1,024 heads of 128)")
    assert lines[place + 1].strip() == "Qwen2AudioForConditionalGeneration"
    assert "audio and video" in next(line for line in lines if "Qwen2.5-Omni" in line)
    assert "Tested with transformers" in result.stdout
    assert lines[lines.index("External baselines:") + 2].strip() == "ClapModel"
    assert "Bundled, for trials: model.path=bundled:plain_lalm, model.path=bundled:tiny_lalm" in lines
    assert "gemma4: its text layers differ in head size" in result.stdout


def test_benchmarks_in_words_and_as_json(launch):
    shown = launch("list", "benchmarks", check=True).stdout
    content = json.loads(launch("list", "benchmarks", "--json", check=True).stdout)["benchmarks"]
    assert (content["esc50"]["classes"], content["esc50"]["clips"]) == (50, 2_000)
    for name, facts in content.items():
        assert any(line.split()[0] == name and facts["title"] in line for line in shown.splitlines())


def test_a_closed_pipe_is_no_error(launch):
    result = launch(
        "list", "models", cold=True, prefix=["bash", "-c", '"$0" "$@" | true; exit ${PIPESTATUS[0]}']
    )
    assert (result.returncode, result.stderr) == (0, "")


def test_models_as_json(launch):
    content = json.loads(launch("list", "models", "--json", check=True).stdout)
    assert content == json.loads((REPO / "calm_pl" / "models" / "families" / "families.json").read_text())


@pytest.mark.parametrize("thing", ["models", "benchmarks"])
def test_it_loads_no_torch(thing):
    code = (
        "import sys, calm_pl.commands.main as m\n"
        f"m.main(['list', {thing!r}])\n"
        "print([n for n in ('torch', 'lightning', 'transformers', 'wandb') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_an_unknown_list(launch):
    result = launch("list", "planets")
    assert result.returncode == 2
    assert "models" in result.stderr


def test_its_help(launch):
    help_text = launch("list", "--help", check=True).stdout
    assert "examples:" in help_text
    assert "families of audio language models" in help_text


def test_sweeps_in_words_and_as_json(call):
    shown = call("list", "sweeps").stdout
    content = json.loads(call("list", "sweeps", "--json").stdout)
    assert content["sweeps/table2.yaml"].startswith("The paper's table 2")
    assert [line.split()[0] for line in shown.splitlines()] == list(content)
    assert {path.name for path in (REPO / "configs" / "sweeps").glob("*.yaml")} == {n[7:] for n in content}


def test_methods_and_metrics(launch):
    methods = json.loads(launch("list", "methods", "--json", check=True).stdout)
    assert {key for key, row in methods.items() if row["by_default"]} >= {"zero_shot", "sav", "calm"}
    shown = launch("list", "methods", check=True).stdout
    assert all(any(line.split()[:1] == [key] for line in shown.splitlines()) for key in methods)
    metrics = launch("list", "metrics", check=True).stdout
    assert "eer          EER (lower is better, detection" in metrics


def test_settings_of_a_section(launch):
    shown = launch("list", "settings", "voter", check=True).stdout
    assert "voter.score=cosine\n" in shown
    assert "data.shots" not in shown
    every = json.loads(launch("list", "settings", "--json", check=True).stdout)
    assert every["data.shots"] == {
        "value": "a whole number or null; 1 or more",
        "default": "20",
        "description": "Support clips per class; null takes all.",
    }
    assert every["data.root"]["default"] == ""
    wrong = launch("list", "settings", "vioter")
    assert (wrong.returncode, "sections are model, data, voter" in wrong.stderr) == (1, True)
    assert launch("list", "models", "voter").returncode == 2


def test_a_shipped_configuration_is_shown_and_copied(launch, tmp_path):
    text = (REPO / "configs/sweeps/table2.yaml").read_text(encoding="utf-8")
    assert launch("config", "show", "sweeps/table2", check=True).stdout == text
    copied = launch("config", "copy", "sweeps/table2.yaml", check=True).stdout
    assert (tmp_path / "table2.yaml").read_text(encoding="utf-8") == text
    assert "use it with --config table2.yaml" in copied
    again = launch("config", "copy", "sweeps/table2.yaml")
    assert (again.returncode, "table2.yaml: is there already" in again.stderr) == (1, True)
    unknown = launch("config", "show", "esc51")
    assert "did you mean esc50.yaml?" in unknown.stderr
    outside = launch("config", "show", "../pyproject.toml")
    assert (outside.returncode, "is not among the shipped" in outside.stderr) == (1, True)
