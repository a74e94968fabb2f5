"""The floors of the house: a module imports only floors below its own, or its own."""

import ast

from conftest import REPO

# Longest match wins.
FLOORS = {
    "calm_pl": 0,  # the package itself: lazy names only
    "calm_pl.errors": 0,
    "calm_pl.atomic_files": 0,
    "calm_pl.cells": 0,
    "calm_pl.file_hashes": 0,
    "calm_pl.regular_files": 0,
    "calm_pl.validation": 0,
    "calm_pl.distributed": 0,
    "calm_pl.functional": 0,
    "calm_pl.assets": 0,
    "calm_pl.lazy_names": 0,
    "calm_pl.entry_points": 0,
    "calm_pl.rows": 0,
    "calm_pl.progress": 0,
    "calm_pl.voters": 1,
    "calm_pl.methods": 1,
    "calm_pl.models": 1,
    "calm_pl.media": 1,
    "calm_pl.bank": 2,
    "calm_pl.data": 2,
    "calm_pl.metrics": 2,
    "calm_pl.runs": 2,
    "calm_pl.figures": 2,
    "calm_pl.pseudo": 3,
    "calm_pl.evaluation": 3,
    "calm_pl.config": 3,
    "calm_pl.plugins": 3,
    "calm_pl.report": 4,
    "calm_pl.jobs": 5,
    "calm_pl.masks": 6,
    "calm_pl.sweeps": 6,
    "calm_pl.commands": 7,
    "calm_pl.__main__": 8,
    "callbacks": 8,
    "launch": 8,
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
    "calm_pl.pseudo": {"lightning", "transformers", "omegaconf"},
    "calm_pl.evaluation": {"transformers", "omegaconf"},
    "calm_pl.masks": {"transformers", "omegaconf"},
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
            # `from calm_pl.commands import sweep` names a module too
            packages = ("calm_pl", "calm_pl.commands")
            yield from (f"{node.module}.{alias.name}" for alias in node.names if node.module in packages)


def wrong_imports(module, imported_names):
    """What a module imports against the rules, in words."""
    here = home(module)
    if module == "calm_pl":  # its imports are lazy, and told to type checkers alone
        return
    for imported in imported_names:
        there = home(imported)
        if there is not None:
            if FLOORS[there] > FLOORS[here]:
                yield f"{module} imports {imported} from above"
            if here in SIBLINGS and there in SIBLINGS and here != there:
                yield f"{module} imports its sibling {imported}"
        if imported.split(".")[0] in FORBIDDEN.get(here, set()):
            yield f"{module} must not know {imported}"


def test_a_module_imports_only_its_own_floor_and_those_below():
    wrong = [fault for path in FILES for fault in wrong_imports(module_name(path), imports(path))]
    assert wrong == []


def test_every_module_has_a_floor():
    assert len(FILES) > 40
    assert [module_name(path) for path in FILES if home(module_name(path)) is None] == []


def test_the_check_sees_a_wrong_import(tmp_path):
    wrong = tmp_path / "wrong.py"
    wrong.write_text("from calm_pl.commands.main import main\nimport lightning.pytorch\n")
    named = list(imports(wrong))
    assert named == ["calm_pl.commands.main", "lightning.pytorch"]
    assert list(wrong_imports("calm_pl.functional.votes", named)) == [
        "calm_pl.functional.votes imports calm_pl.commands.main from above",
        "calm_pl.functional.votes must not know lightning.pytorch",
    ]
    assert list(wrong_imports("calm_pl.models.lalm", ["calm_pl.media.audio"])) == [
        "calm_pl.models.lalm imports its sibling calm_pl.media.audio"
    ]


def test_commands_know_no_other_command():
    shared = {
        "calm_pl.commands.arguments",
        "calm_pl.commands.checklist",
        "calm_pl.commands.list_benchmarks",
        "calm_pl.commands.recordings",
        "calm_pl.commands.streams",
    }
    crossing = [
        (module_name(path), imported)
        for path in FILES
        for imported in imports(path)
        if imported.startswith("calm_pl.commands.") and home(module_name(path)) == "calm_pl.commands"
    ]
    assert [pair for pair in crossing if not any(pair[1].startswith(one) for one in shared)] == []
