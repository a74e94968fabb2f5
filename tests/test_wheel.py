"""The wheel alone, away from the source tree, is the whole tool."""

import os
import subprocess
import sys
import sysconfig
import zipfile

import pytest
from conftest import REPO


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    build = "import hatchling.build, sys; print(hatchling.build.build_wheel(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", build, str(folder)], cwd=REPO, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_adds_no_generic_top_level_name(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"calm_pl"}
    assert "calm_pl/callbacks/progress.py" in names
    assert "calm_pl/configs/demo.yaml" in names
    assert "calm_pl/report/assets/style.css" in names
    assert "calm_pl/assets/esc10/ATTRIBUTION.txt" in names
    assert wheel.stat().st_size < 20_000_000


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A fresh environment that has the wheel; its dependencies are those of this interpreter."""
    folder = tmp_path_factory.mktemp("fresh")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "env"], check=True)
    python = folder / "env" / "bin" / "python"
    target = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel],
        check=True,
        capture_output=True,
    )
    # Read our packages, but not the .pth files among them: those lead to the source tree.
    code = f"import sys; sys.path.append({sysconfig.get_path('purelib')!r})"
    with open(os.path.join(target, "dependencies.pth"), "w") as file:
        file.write(code + "\n")
    return folder


def test_the_installed_command_runs_the_demo(installed, tiny_folder):
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    command = [installed / "env" / "bin" / "calm-pl", "fit-free", "--config", "demo.yaml", "data.shots=2"]
    done = subprocess.run(
        [*command, "run.dir=run", "wandb.mode=disabled"],
        cwd=installed,
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "CALM-Global" in done.stdout
    assert "Attention heads" in (installed / "run" / "report.html").read_text()
    where = [installed / "env" / "bin" / "python", "-c", "import calm_pl; print(calm_pl.__file__)"]
    found = subprocess.run(where, cwd=installed, env=env, capture_output=True, text=True, check=True).stdout
    assert str(installed) in found
    clip = REPO / "calm_pl" / "assets" / "esc10" / "audio" / "1-100032-A-0.ogg"
    predict = [installed / "env" / "bin" / "calm-pl", "predict", "--classifier"]
    done = subprocess.run(
        [*predict, "run/classifier.safetensors", clip, "--csv"],
        cwd=installed,
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "1-100032-A-0.ogg" in done.stdout
