"""What the wheel holds. `make package` installs it in an environment of its own, and runs it there."""

import subprocess
import sys
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
    assert "calm_pl/py.typed" in names
    assert "calm_pl/report/assets/style.css" in names
    assert "calm_pl/assets/esc10/ATTRIBUTION.txt" in names
    assert wheel.stat().st_size < 20_000_000
