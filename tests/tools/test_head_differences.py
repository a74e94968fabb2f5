"""Reliabilities made with and without heads of a class's own: the comparison of halves tells which."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

PATH = Path(__file__).parents[2] / "benchmarks" / "head_differences.py"
CLASSES, HEADS = 10, 40


@pytest.fixture(scope="module")
def compare():
    spec = importlib.util.spec_from_file_location("head_differences", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return lambda first, second: module.compare(first, second, np.random.default_rng(1))


def halves(of_head: float, of_both: float, noise: float, classes: int = CLASSES):
    rng = np.random.default_rng(0)
    level = rng.uniform(0, 1, (classes, 1))
    true = level + of_head * rng.standard_normal(HEADS) + of_both * rng.standard_normal((classes, HEADS))
    return [true + noise * rng.standard_normal(true.shape) for _ in range(2)]


def test_heads_of_a_class_s_own_are_found(compare):
    found = compare(*halves(1.0, 1.0, 0.1))
    assert found["same"] > 0.95 > 0.6 > found["other"] > 0.3
    assert found["gap"] == pytest.approx(found["same"] - found["other"])
    assert found["p_value"] == pytest.approx(1 / 501)
    assert found["own_share"] == pytest.approx(0.5, abs=0.1)
    assert found["strongest_same"] >= 0.8 > found["strongest_other"]


def test_heads_that_only_differ_in_quality_have_none(compare):
    found = compare(*halves(1.0, 0.0, 0.5))
    assert abs(found["gap"]) < 0.05
    assert found["p_value"] > 0.05
    assert found["own_share"] < 0.05


def test_noise_alone_reproduces_nothing(compare):
    found = compare(*halves(0.0, 0.0, 1.0))
    assert abs(found["same"]) < 0.15
    assert abs(found["gap"]) < 0.15


def test_two_classes_have_two_orders(compare):
    found = compare(*halves(0.0, 1.0, 0.1, classes=2))
    assert found["p_value"] == 0.5
    assert found["own_share"] > 0.6
