"""A row of a sweep's table is computed again where the code of a plugin's voter changed."""

import importlib.util
from types import SimpleNamespace

from calm_pl.sweeps.identity import point_hash
from calm_pl.voters import Sav

CODE = "from calm_pl.voters import Sav\n\n\nclass Mine(Sav):\n    note = 1\n"


def row_of(path, text):
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
        return point_hash(SimpleNamespace(method="mine"), module.Mine(), "facts", 32)
    finally:
        del sys.modules[path.stem]


def test_the_code_of_a_plugin_counts(tmp_path):
    first, again = (row_of(tmp_path / "plugin_of_a_test.py", CODE) for _ in range(2))
    other = row_of(tmp_path / "plugin_of_a_test.py", CODE.replace("1", "2"))
    assert first == again
    assert first != other
    assert point_hash(SimpleNamespace(method="mine"), Sav(), "facts", 32) not in (first, other)
