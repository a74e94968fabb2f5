"""Finished work is read again without what made it: no model, no transformers, and for pages no torch."""

import json
import subprocess
import sys

import pytest
from conftest import REPO, command_line, outside


@pytest.fixture(scope="module")
def finished(tmp_path_factory, esc_root, tiny_folder):
    """The folder of a finished job, and its command line."""
    folder = tmp_path_factory.mktemp("job")
    settings = ("data.benchmark=esc50", f"data.root={esc_root}", f"model.path={tiny_folder}", "data.shots=4")
    rest = ("data.n_options=3", "trainer.accelerator=cpu", "trainer.devices=1", "wandb.mode=disabled")
    job = ["fit-free", *settings, *rest, "run.dir=run"]
    command_line(folder, *job)
    return folder, job


@pytest.mark.parametrize(
    ("args", "unneeded"),
    [
        ("job", {"transformers", "torchvision", "torchaudio", "wandb", "torch._dynamo", "sympy", "scipy"}),
        (["report", "run"], {"torch", "lightning", "torchmetrics", "transformers", "wandb"}),
        (
            ["figures", "run", "--only", "methods", "--format", "svg"],
            {"torch", "lightning", "torchmetrics", "transformers", "wandb"},
        ),
        (["table", "run"], {"torch", "lightning", "torchmetrics", "transformers", "wandb", "matplotlib"}),
        (["report", "run", "run"], {"torch", "lightning", "torchmetrics", "transformers", "wandb"}),
        (["bank", "info", "runs/.bank"], {"torch", "lightning", "transformers", "matplotlib"}),
        (["bank", "verify", "runs/.bank"], {"torch", "lightning", "transformers", "matplotlib"}),
        ("predict", {"lightning", "torchmetrics", "matplotlib", "wandb"}),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value) if isinstance(value, list) else "",
)
def test_a_command_imports_what_it_uses(finished, esc_root, args, unneeded):
    folder, job = finished
    if args == "job":
        args = [*job, "callbacks=[progress,run_record,predictions]"]
    elif args == "predict":
        clip = next((esc_root / "audio").iterdir())
        args = ["predict", "--classifier", "run/classifier.safetensors", str(clip)]
    code = (
        "import json, sys\n"
        "from calm_pl.commands.main import main\n"
        f"status = main({args!r})\n"
        f"print(json.dumps([status, [name for name in {sorted(unneeded)!r} if name in sys.modules]]))"
    )
    env = {**outside(), "PYTHONPATH": str(REPO), "COLUMNS": "80"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=env, capture_output=True, text=True, check=True
    )
    status, imported = json.loads(done.stdout.splitlines()[-1])
    assert status == 0
    assert imported == []
