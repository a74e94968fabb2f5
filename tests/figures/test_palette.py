"""Colours that can be told apart, by everybody and on paper and screen."""

import itertools

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from calm_pl.figures.style import DARK, KNOWN, LIGHT, contrast, look, looks, on, ramp, theme_named
from calm_pl.methods import METHODS

# Machado, Oliveira and Fernandes, IEEE TVCG 2009, severity 1.0; on linear RGB.
SIMULATED = {
    "none": np.eye(3),
    "protan": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deutan": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


def lab(colour, sight):
    """CIELAB of a colour as somebody sees it."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = TO_XYZ @ np.clip(SIMULATED[sight] @ linear, 0, 1) / (TO_XYZ @ np.ones(3))
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("sight", SIMULATED)
@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)
def test_the_six_methods_are_told_apart_by_colour_alone(theme, sight):
    colours = [look(theme, number).colour for number in range(len(KNOWN))]
    distance = {
        (one, other): np.linalg.norm(lab(one, sight) - lab(other, sight))
        for one, other in itertools.combinations(colours, 2)
    }
    closest = min(distance, key=distance.get)
    assert distance[closest] > 15, (closest, distance[closest])


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)
def test_contrast_with_the_background(theme):
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast(theme.ink, theme.paper) > 12
    assert contrast(theme.muted, theme.paper) > 4.5
    for colour in theme.series[: len(KNOWN)]:
        assert contrast(colour, theme.paper) > 3, colour


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)
def test_the_ramp_rises_and_its_text_is_readable(theme):
    steps = ramp(theme)(np.linspace(0, 1, 33))
    against = [contrast(step, theme.paper) for step in steps]
    assert against == sorted(against)
    assert against[-1] > 10
    assert min(contrast(on(theme, step), step) for step in steps) > 3.4


def test_series_differ_without_colour():
    for count in (6, 8):
        assert len({(look(LIGHT, n).marker, str(look(LIGHT, n).dash)) for n in range(count)}) == count
    first = [(look(LIGHT, n).colour, str(look(LIGHT, n).dash)) for n in range(24)]
    assert len(set(first)) == 24


def test_a_method_has_one_look_whoever_else_is_there():
    assert set(KNOWN) < {METHODS.title(key) for key in METHODS.all_keys()}  # others take what is free
    alone, together = looks(LIGHT, ["CALM"]), looks(LIGHT, ["mine", "zero-shot", "CALM", "yours"])
    assert alone["CALM"] == together["CALM"]
    assert len({one.colour for one in together.values()}) == 4


def test_an_unknown_theme():
    with pytest.raises(ValueError, match="'sepia'"):
        theme_named("sepia")
