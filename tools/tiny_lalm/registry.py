"""The register of procedural sounds: a label and the function that makes one clip of it."""

from __future__ import annotations

from collections.abc import Callable

from numpy.random import Generator

from tiny_lalm.dsp import Wave

Maker = Callable[[Generator, float], Wave]
MAKERS: dict[str, Maker] = {}


def sound(label: str) -> Callable[[Maker], Maker]:
    """Register the maker of ``label``; it gets a generator and the seconds it may fill."""

    def register(maker: Maker) -> Maker:
        MAKERS[label] = maker
        return maker

    return register
