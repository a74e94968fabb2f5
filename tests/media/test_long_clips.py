"""Clips over the model's window: what is kept, and that it is told."""

import numpy as np
import pytest

from calm_pl.errors import BadClipError
from calm_pl.media import LONG_CLIPS, load_audio

pytest_plugins = ["sound_files"]

RATE = 16_000


@pytest.fixture
def ramp(write):
    """Write a clip whose every sample tells its own position."""

    def make(frames: int):
        return write("a.wav", (np.arange(frames) / 2**17).astype(np.float32), RATE, subtype="FLOAT")

    return make


def positions(samples: np.ndarray) -> np.ndarray:
    return np.rint(samples * 2**17).astype(int)


@pytest.mark.parametrize("long_clips", LONG_CLIPS)
def test_a_clip_of_exactly_the_window_is_whole(ramp, long_clips):
    read = load_audio(ramp(2 * RATE), RATE, 2.0, long_clips)
    assert not read.was_cut
    np.testing.assert_array_equal(positions(read.samples), np.arange(2 * RATE))


@pytest.mark.parametrize(("extra", "first"), [(1, 0), (2, 1), (RATE, RATE // 2)])
def test_center_keeps_the_middle(ramp, extra, first):
    read = load_audio(ramp(2 * RATE + extra), RATE, 2.0, "center")
    assert read.was_cut
    np.testing.assert_array_equal(positions(read.samples), np.arange(first, first + 2 * RATE))


@pytest.mark.parametrize("extra", [1, 2, RATE])
def test_start_keeps_the_beginning(ramp, extra):
    read = load_audio(ramp(2 * RATE + extra), RATE, 2.0, "start")
    assert read.was_cut
    np.testing.assert_array_equal(positions(read.samples), np.arange(2 * RATE))


def test_start_is_the_default(ramp):
    assert positions(load_audio(ramp(3 * RATE), RATE, 2.0).samples)[0] == 0


def test_stop_refuses_and_says_how_to_go_on(ramp):
    path = ramp(3 * RATE)
    with pytest.raises(
        BadClipError, match=r"a\.wav: lasts 3\.00 s, over .* window of 2 s .*long_clips.*center"
    ):
        load_audio(path, RATE, 2.0, "stop")


def test_the_window_is_measured_at_the_models_rate(write, sine):
    # 2 s at 44.1 kHz are 88,200 frames, more than 2 s at 16 kHz would hold.
    read = load_audio(write("a.wav", sine(44_100, 2.0), 44_100), RATE, 2.0, "stop")
    assert len(read.samples) == 2 * RATE
    assert not read.was_cut


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000])
def test_a_resampled_clip_of_exactly_the_window_is_not_cut(write, sine, rate):
    assert not load_audio(write("a.wav", sine(rate, 3.0), rate), RATE, 3.0, "stop").was_cut
