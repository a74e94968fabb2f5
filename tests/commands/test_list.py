"""`list models` answers at once, from the table that ships with the package."""

import json
import subprocess
import sys
import time

from conftest import REPO


def test_models_as_a_table(launch):
    result = launch("list", "models", check=True, env={"COLUMNS": "200"})
    lines = result.stdout.splitlines()
    row = next(line for line in lines if "Qwen2-Audio " in line)
    for value in ("Qwen2AudioForConditionalGeneration", "audio", "Qwen2-Audio-7B", "1,024", "128"):
        assert value in row
    assert "audio, video" in next(line for line in lines if "Qwen2.5-Omni" in line)
    assert "Tested with transformers" in result.stdout
    assert "gemma4: its text layers differ in head size" in result.stdout


def test_models_as_json(launch):
    content = json.loads(launch("list", "models", "--json", check=True).stdout)
    assert content == json.loads((REPO / "calm_pl" / "models" / "families.json").read_text())


def test_it_is_quick_and_loads_no_torch(launch):
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        launch("list", "models", check=True)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 1.5
    code = (
        "import sys, calm_pl.commands.main as m\n"
        "m.main(['list', 'models'])\n"
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
