"""Files of figures: the same bytes every time, text as text, nobody's settings touched."""

import hashlib
import subprocess
import sys
import xml.etree.ElementTree as ET

import matplotlib
import pytest
from drawn import every_figure

from calm_pl.figures import save

_AGAIN = """
import sys, hashlib
from pathlib import Path
import numpy as np
from calm_pl.figures import save
assert not {"matplotlib.pyplot", "torchmetrics", "lightning", "transformers"} & set(sys.modules)
from drawn import every_figure
for name, figure in sorted(every_figure(10, 5, 8, "light", 3.3).items()):
    for kind in ("svg", "pdf", "png"):
        path = save(figure, Path(sys.argv[1]) / f"{name}.{kind}", "A title")
        print(path.name, hashlib.sha256(path.read_bytes()).hexdigest())
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    for name, figure in every_figure(10, 5, 8, "light", 3.3).items():
        for kind in ("svg", "pdf", "png"):
            save(figure, folder / f"{name}.{kind}", "A title")
    return folder


def test_another_process_writes_the_same_bytes(files, tmp_path):
    from conftest import REPO, outside

    env = outside() | {"PYTHONHASHSEED": "7", "PYTHONPATH": f"{REPO}:{REPO / 'tests' / 'figures'}"}
    done = subprocess.run(
        [sys.executable, "-c", _AGAIN, tmp_path], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    again = dict(line.split() for line in done.stdout.splitlines())
    first = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files.iterdir()}
    assert len(first) == 30
    assert again == first


def test_svg_has_words_a_title_and_no_date(files):
    for path in files.glob("*.svg"):
        page = path.read_text(encoding="utf-8")
        root = ET.fromstring(page)
        words = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
        assert len(words) > 5, path
        assert "A title" in page
        assert "date" not in page.lower(), path
        assert "matplotlib v" not in page.lower(), path
    labels = (files / "confusion.svg").read_text(encoding="utf-8")
    assert "猫の声" in labels  # the reader's fonts draw it
    assert "$x^2$ &lt;b&gt;&amp;amp;" in labels


def test_formats_are_what_their_names_say(files):
    from PIL import Image

    for path in files.glob("*.pdf"):
        assert path.read_bytes().startswith(b"%PDF")
        assert b"/Type3" not in path.read_bytes()  # many publishers refuse such fonts
    for path in files.glob("*.png"):
        with Image.open(path) as picture:
            assert picture.width == 990  # 3.3 in, 300 dots each


def test_identifiers_differ_between_files(files):
    def identifiers(name):
        root = ET.parse(files / f"{name}.svg").getroot()
        found = {element.get("id") for element in root.iter() if element.get("id")}
        return {one for one in found if one[0] in "pm" and len(one) == 11}

    assert identifiers("survival")
    assert not identifiers("survival") & identifiers("methods")


def test_settings_of_the_user_neither_matter_nor_change(files, tmp_path):
    strange = {"font.size": 20, "text.parse_math": True, "svg.hashsalt": "mine", "axes.facecolor": "red"}
    with matplotlib.rc_context(strange):
        figure = every_figure(10, 5, 8, "light", 3.3)["methods"]
        save(figure, tmp_path / "methods.svg", "A title")
        assert {key: matplotlib.rcParams[key] for key in strange} == strange
    assert (tmp_path / "methods.svg").read_bytes() == (files / "methods.svg").read_bytes()


def test_dark_is_dark(tmp_path):
    from PIL import Image

    for theme, background in (("light", (255, 255, 255)), ("dark", (20, 23, 28))):
        figure = every_figure(2, 2, 4, theme, 3.3)["methods"]
        with Image.open(save(figure, tmp_path / f"{theme}.png")) as picture:
            assert picture.convert("RGB").getpixel((2, 2)) == background


def test_an_unknown_ending(tmp_path):
    figure = every_figure(2, 2, 4, "light", 3.3)["methods"]
    with pytest.raises(ValueError, match=r"'x\.bmp'"):
        save(figure, tmp_path / "x.bmp")
