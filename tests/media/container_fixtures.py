"""Containers in a test's own folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from container_files import write_sound, write_video

Writer = Callable[..., Path]


@pytest.fixture
def video(tmp_path: Path) -> Writer:
    """Write a video; see `write_video`."""
    return lambda name="a.mp4", **how: write_video(tmp_path / name, **how)


@pytest.fixture
def sound(tmp_path: Path) -> Writer:
    """Write a container that has sound only; see `write_sound`."""
    return lambda name, samples, **how: write_sound(tmp_path / name, samples, **how)
