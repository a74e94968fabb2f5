"""Packages of versions that this project was not made for are named before they fail in riddles."""

import pytest

from calm_pl.errors import RunError
from calm_pl.jobs import versions
from calm_pl.jobs.versions import refuse_other_versions


def test_what_the_tests_run_on_is_allowed():
    refuse_other_versions()


def test_each_package_outside_its_bounds_is_named(monkeypatch):
    asked = [
        "torch>=2.11,<2.15",
        "transformers<6,>=5.23",
        "av>=16",
        "none-such>=2",
        "datasets>=3; extra == 'datasets'",
    ]
    here = {"torch": "2.14.1+cu130", "transformers": "6.0.1", "av": "17.0.0rc1"}

    def version(name):
        if name not in here:
            raise versions.PackageNotFoundError(name)
        return here[name]

    monkeypatch.setattr(versions, "requires", lambda package: asked)
    monkeypatch.setattr(versions, "version", version)
    told = (
        r"made for: transformers 6\.0\.1 \(<6,>=5\.23 is needed\); none-such is missing \(>=2 is needed\)\. "
    )
    with pytest.raises(RunError, match=told):
        refuse_other_versions()


def test_a_copy_that_is_not_installed_is_not_checked():
    refuse_other_versions("no_such_distribution")
