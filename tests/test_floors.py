"""The floors of the house: a module imports only floors below its own, or its own."""

import ast

import pytest
from conftest import REPO

# Longest match wins.
FLOORS = {
    "calm_pl": 0,  # the package itself: lazy names only
    "calm_pl.errors": 0,
    "calm_pl.files": 0,
    "calm_pl.rules": 0,
    "calm_pl.ranks": 0,
    "calm_pl.functional": 0,
    "calm_pl.assets": 0,
    "calm_pl.mask_recipe": 0,
    "calm_pl.voters": 1,
    "calm_pl.models": 1,
    "calm_pl.media": 1,
    "calm_pl.bank": 2,
    "calm_pl.data": 2,
    "calm_pl.metrics": 2,
    "calm_pl.classifier": 2,
    "calm_pl.figures": 2,
    "calm_pl.zero_shot": 3,
    "calm_pl.predictions": 3,
    "calm_pl.support_store": 3,
    "calm_pl.labelled": 3,
    "calm_pl.prior": 3,
    "calm_pl.pseudo": 3,
    "calm_pl.encoding": 3,
    "calm_pl.coverage": 3,
    "calm_pl.answers": 3,
    "calm_pl.module": 3,
    "calm_pl.oracle": 3,
    "calm_pl.results": 3,
    "calm_pl.mask_state": 3,
    "calm_pl.mask_training": 3,
    "calm_pl.mask_schema": 4,
    "calm_pl.schema": 4,
    "calm_pl.config": 4,
    "calm_pl.sweeps": 4,
    "calm_pl.commands": 4,
    "calm_pl.report": 4,
    "calm_pl.__main__": 5,
    "callbacks": 5,
    "launch": 5,
}
# Packages that a floor must not know, whatever stands below it.
FORBIDDEN = {
    "calm_pl.functional": {"lightning", "transformers", "soundfile", "torchaudio", "omegaconf", "numpy"},
    "calm_pl.voters": {"lightning", "transformers", "soundfile", "torchaudio", "omegaconf"},
    "calm_pl.models": {"lightning", "omegaconf", "soundfile"},
    "calm_pl.media": {"lightning", "transformers", "omegaconf"},
    "calm_pl.bank": {"lightning", "transformers", "soundfile", "torchaudio", "omegaconf"},
    "calm_pl.data": {"transformers", "omegaconf"},
    "calm_pl.metrics": {"transformers", "omegaconf"},
    "calm_pl.figures": {"lightning", "transformers", "omegaconf", "soundfile", "pandas", "scipy"},
    "calm_pl.zero_shot": {"transformers", "omegaconf"},
    "calm_pl.predictions": {"transformers", "omegaconf"},
    "calm_pl.encoding": {"transformers", "omegaconf"},
    "calm_pl.coverage": {"transformers", "omegaconf"},
    "calm_pl.pseudo": {"lightning", "transformers", "omegaconf"},
    "calm_pl.module": {"transformers", "omegaconf"},
    "calm_pl.mask_state": {"transformers", "omegaconf"},
    "calm_pl.mask_training": {"transformers", "omegaconf"},
}
SIBLINGS = {"calm_pl.models", "calm_pl.media", "calm_pl.voters"}  # one floor, but strangers to each other
FILES = sorted([*REPO.glob("calm_pl/**/*.py"), *REPO.glob("callbacks/*.py"), REPO / "launch.py"], key=str)


def module_name(path):
    parts = path.relative_to(REPO).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def home(name):
    matches = [known for known in FLOORS if name == known or name.startswith(known + ".")]
    return max(matches, key=len, default=None)


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module
            # `from calm_pl import classifier` names a module too
            yield from (f"{node.module}.{alias.name}" for alias in node.names if node.module == "calm_pl")


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_a_module_imports_only_its_own_floor_and_those_below(path):
    here = home(module_name(path))
    for imported in imports(path):
        there = home(imported)
        if there is not None:
            assert FLOORS[there] <= FLOORS[here], f"{module_name(path)} imports {imported} from above"
            if here in SIBLINGS and there in SIBLINGS:
                assert here == there, f"{module_name(path)} imports its sibling {imported}"
        top = imported.split(".")[0]
        assert top not in FORBIDDEN.get(here, set()), f"{module_name(path)} must not know {top}"


def test_every_module_has_a_floor():
    assert len(FILES) > 40
    assert [module_name(path) for path in FILES if home(module_name(path)) is None] == []


def test_the_check_sees_a_wrong_import(tmp_path):
    wrong = tmp_path / "wrong.py"
    wrong.write_text("from calm_pl.commands.main import main\nimport lightning.pytorch\n")
    assert list(imports(wrong)) == ["calm_pl.commands.main", "lightning.pytorch"]
    assert FLOORS[home("calm_pl.commands.main")] > FLOORS[home("calm_pl.functional.votes")]


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_a_file_stays_small(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 350
