"""The Dockerfile and the Apptainer recipe: what they copy is there, and is all that the package needs."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile

import pytest
from conftest import REPO

PROJECT = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DOCKER = (REPO / "Dockerfile").read_text(encoding="utf-8")
APPTAINER = (REPO / "calm_pl.def").read_text(encoding="utf-8")


def docker_steps():
    """Instruction and arguments, comments and continued lines joined."""
    lines = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", DOCKER, flags=re.MULTILINE)).splitlines()
    return [line.split(maxsplit=1) for line in lines if line.strip()]


def docker_copies():
    return [name for step, text in docker_steps() if step == "COPY" for name in text.split()[:-1]]


def sections():
    parts = re.split(r"^%(\w+)\n", APPTAINER, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_both_copy_the_same_and_the_context_holds_it():
    apptainer = [line.split()[0] for line in sections()["files"].splitlines() if line.strip()]
    kept = re.findall(r"^!(.+)$", (REPO / ".dockerignore").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(docker_copies()) == sorted(apptainer) == sorted(kept)


def test_what_is_copied_builds_the_whole_package(tmp_path):
    for name in docker_copies():
        source = REPO / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tmp_path / name)
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", "dist"]
    done = subprocess.run(build, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for needed in (
        "calm_pl/configs/demo.yaml",
        "calm_pl/callbacks/run_record.py",
        "calm_pl/commands/main.py",
    ):
        assert needed in names


@pytest.mark.parametrize("text", [DOCKER, APPTAINER], ids=["docker", "apptainer"])
def test_python_and_locked_versions(text):
    version = re.search(r"^(?:FROM|From:) python:(3\.\d+)-slim$", text, re.MULTILINE)[1]
    assert f"Programming Language :: Python :: {version}" in PROJECT["classifiers"]
    assert re.search(r"pip install .*-c \S*constraints\.txt", text)


def test_they_start_the_command():
    steps = dict(docker_steps())
    (command,) = PROJECT["scripts"]
    assert steps["ENTRYPOINT"] == f'["{command}"]'
    assert sections()["runscript"].split() == ["exec", command, '"$@"']
    assert set(sections()) == {"files", "post", "environment", "runscript"}
    known = {"FROM", "ENV", "WORKDIR", "COPY", "RUN", "ENTRYPOINT", "CMD"}
    assert {step for step, _ in docker_steps()} == known
