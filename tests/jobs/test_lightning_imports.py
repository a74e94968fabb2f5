"""Lightning's quick import changes nothing but what is imported."""

import subprocess
import sys

from conftest import REPO, outside

CODE = """
import sys
from calm_pl.jobs.lightning_imports import import_lightning
import_lightning()
assert "torch._dynamo" not in sys.modules
import torch
from lightning.fabric.wrappers import _unwrap_compiled
module = torch.nn.Linear(2, 2)
assert _unwrap_compiled(module) == (module, None)
compiled = torch.compile(module, backend="eager")
import torch._dynamo
assert isinstance(compiled, torch._dynamo.OptimizedModule)
assert _unwrap_compiled(compiled)[0] is module
"""


def test_a_compiled_module_is_told_from_others_all_the_same():
    env = {**outside(), "PYTHONPATH": str(REPO)}
    done = subprocess.run([sys.executable, "-c", CODE], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
