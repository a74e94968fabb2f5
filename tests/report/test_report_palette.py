"""Colours of the pages can be told from what they stand on (WCAG 2.2, 1.4.3 and 1.4.11)."""

import re
from itertools import pairwise

import pytest
from conftest import REPO

CSS = (REPO / "calm_pl" / "report" / "assets" / "style.css").read_text()


def palette(block):
    return dict(re.findall(r"--([a-z0-9]+): #([0-9a-f]{6})", block))


LIGHT, DARK = (palette(block) for block in CSS.split("\n* {")[0].split("prefers-color-scheme: dark"))


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    r, g, b = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(one, other):
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_the_measure():
    assert contrast("000000", "ffffff") == pytest.approx(21)
    assert contrast("767676", "ffffff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_and_focus_stand_out(theme):
    for ground in ("ground", "surface"):
        for text in ("ink", "muted", "accent", "holds", "open", "wrong"):
            assert contrast(theme[text], theme[ground]) >= 4.5, (text, ground)
        assert contrast(theme["focus"], theme[ground]) >= 3


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("scale", ["q", "b"])
def test_shades_run_away_from_the_ground_step_by_step(theme, scale):
    steps = [contrast(theme[f"{scale}{level}"], theme["surface"]) for level in range(10)]
    assert steps == sorted(steps)
    assert steps[-1] > 7
    assert min(b / a for a, b in pairwise(steps)) > 1.04
