"""Which deprecations fail a test: those that this project's code causes, however they are called."""

import functools
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from conftest import REPO, outside

from calm_pl.models.kv_cache import cache_name

OURS = str(REPO / "calm_pl" / "made_up.py")
OTHERS = "/somewhere/site-packages/other/file.py"


class Layer(torch.nn.Module):
    def forward(self, x):
        warnings.warn("`x` is deprecated", FutureWarning, stacklevel=2)
        return x


def caller(path, body):
    """A function of one argument whose code seems to stand in a file."""
    scope = {}
    exec(compile(f"def call(f):\n    return {body}", path, "exec"), scope)
    return scope["call"]


@pytest.mark.parametrize("f", [Layer(), functools.partial(Layer(), 1), torch.no_grad()(Layer().forward)])
def test_our_call_of_something_deprecated_is_an_error(f):
    call = caller(OURS, "f()" if isinstance(f, functools.partial) else "f(1)")
    with pytest.raises(FutureWarning, match="deprecated"):
        call(f)


def test_a_call_inside_another_package_is_a_warning():
    inner = caller(OTHERS, "f(1)")
    with pytest.warns(FutureWarning, match="deprecated"):
        assert caller(OURS, "f()")(lambda: inner(Layer())) == 1


def test_a_deprecated_argument_of_a_real_model_is_an_error(lalm, monkeypatch):
    if cache_name() == "past_key_values":
        pytest.skip("this version of transformers has the old name")
    monkeypatch.setattr("calm_pl.models.answering.cache_name", lambda: "past_key_values")
    inputs = lalm.preparer([np.zeros(8_000, dtype=np.float32)], ["What?"])
    with pytest.raises(FutureWarning, match="past_key_values"):
        lalm.generate(inputs, 3)


def test_other_warnings_of_ours_are_left_to_the_filters():
    call = caller(OURS, "f('careful', UserWarning)")
    with pytest.warns(UserWarning, match="careful"):
        call(warnings.warn)


@pytest.mark.parametrize(("options", "shown"), [((), False), (("-W", "default"), True)])
def test_users_see_deprecations_only_where_they_ask(options, shown):
    code = (
        "import sys, types, warnings\n"
        "from calm_pl.commands import main\n"
        "command = types.ModuleType('old')\n"
        "command.run = lambda *_: warnings.warn('old', FutureWarning, stacklevel=2) or 0\n"
        "sys.modules['old'] = command\n"
        "main.COMMANDS['old'] = ('old', '')\n"
        "sys.exit(main.main(['old']))"
    )
    done = subprocess.run(
        [sys.executable, *options, "-c", code], cwd=REPO, env=outside(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert ("FutureWarning" in done.stderr) == shown
