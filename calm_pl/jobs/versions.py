"""Refuse versions of packages outside those that this project allows, before they fail in riddles."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, requires, version

from calm_pl.errors import RunError


def refuse_other_versions(package: str = "calm_pl") -> None:
    """Compare the installed packages with what the installed project's metadata asks for.

    `pip` does so only while it installs: a later `pip install` of another package may have moved one. Nothing
    is checked where the project itself is not installed.

    Raises:
        RunError: names each package, its version, and what is asked for.
    """
    try:
        asked = requires(package) or []
    except PackageNotFoundError:
        return
    from packaging.requirements import Requirement

    wrong = []
    for requirement in map(Requirement, asked):
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            wrong.append(
                f"{requirement.name} is missing ({requirement.specifier or 'any version'} is needed)"
            )
            continue
        if not requirement.specifier.contains(installed, prereleases=True):
            wrong.append(f"{requirement.name} {installed} ({requirement.specifier} is needed)")
    if wrong:
        raise RunError(
            f"Packages that this version of calm_pl was not made for: {'; '.join(wrong)}. Install them anew:"
            " pip install --upgrade calm_pl"
        )
