"""The 300 recordings that ship with the package are whole, and of the length that ESC-50 states."""

from pathlib import Path

import numpy as np
import pytest

from calm_pl.assets import resolve
from calm_pl.media import load_audio

FOLDER = Path(resolve("bundled:esc10")) / "audio"


@pytest.mark.parametrize("fold", [1, 2, 3, 4, 5])
def test_every_bundled_recording_is_read(fold):
    paths = sorted(FOLDER.glob(f"{fold}-*.ogg"))
    assert len(paths) == 60
    for path in paths:
        # At the files' own rate: resampling has its own tests and takes most of the time.
        (samples,), was_cut, seconds, _ = load_audio(path, 44_100, 30)
        assert 4.9 < seconds < 5.1, path.name
        assert len(samples) / 44_100 == pytest.approx(seconds, abs=1 / 16_000), path.name
        assert not was_cut
        assert np.abs(samples).max() > 0.001, path.name
