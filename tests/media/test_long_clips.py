"""Clips over the model's window: what is kept, and that it is told."""

import math

import numpy as np
import pytest

from calm_pl.errors import BadClipError
from calm_pl.media import LONG_CLIPS, load_audio
from calm_pl.media.audio import window_starts

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
    np.testing.assert_array_equal(positions(read.windows[0]), np.arange(2 * RATE))


@pytest.mark.parametrize(("extra", "first"), [(1, 0), (2, 1), (RATE, RATE // 2)])
def test_center_keeps_the_middle(ramp, extra, first):
    read = load_audio(ramp(2 * RATE + extra), RATE, 2.0, "center")
    assert read.was_cut
    np.testing.assert_array_equal(positions(read.windows[0]), np.arange(first, first + 2 * RATE))


@pytest.mark.parametrize("extra", [1, 2, RATE])
def test_start_keeps_the_beginning(ramp, extra):
    read = load_audio(ramp(2 * RATE + extra), RATE, 2.0, "start")
    assert read.was_cut
    np.testing.assert_array_equal(positions(read.windows[0]), np.arange(2 * RATE))


def test_start_is_the_default(ramp):
    assert positions(load_audio(ramp(3 * RATE), RATE, 2.0).windows[0])[0] == 0


def test_stop_refuses_and_says_how_to_go_on(ramp):
    path = ramp(3 * RATE)
    with pytest.raises(BadClipError, match=r"a\.wav: lasts 3 s, over .* window of 2 s .*long_clips.*center"):
        load_audio(path, RATE, 2.0, "stop")


def test_one_sample_too_many_shows_in_the_message(ramp):
    with pytest.raises(BadClipError, match=r"lasts 2\.00006 s, over the model's window of 2 s"):
        load_audio(ramp(2 * RATE + 1), RATE, 2.0, "stop")


def test_the_window_is_measured_at_the_models_rate(write, sine):
    # 2 s at 44.1 kHz are 88,200 frames, more than 2 s at 16 kHz would hold.
    read = load_audio(write("a.wav", sine(44_100, 2.0), 44_100), RATE, 2.0, "stop")
    assert len(read.windows[0]) == 2 * RATE
    assert not read.was_cut


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000])
def test_a_resampled_clip_of_exactly_the_window_is_not_cut(write, sine, rate):
    assert not load_audio(write("a.wav", sine(rate, 3.0), rate), RATE, 3.0, "stop").was_cut


@pytest.mark.parametrize(
    ("frames", "starts"),
    [
        (2 * RATE, [0]),
        (2 * RATE + 1, [0, 1]),
        (3 * RATE, [0, RATE]),
        (4 * RATE, [0, 2 * RATE]),
        (4 * RATE + 2, [0, RATE + 1, 2 * RATE + 2]),
        (5 * RATE, [0, 3 * RATE // 2, 3 * RATE]),
    ],
)
def test_windows_cover_the_clip_evenly(ramp, frames, starts):
    read = load_audio(ramp(frames), RATE, 2.0, "windows")
    assert not read.was_cut
    assert read.seconds == frames / RATE
    assert len(read.windows) == len(starts)
    for window, first in zip(read.windows, starts, strict=True):
        assert window.dtype == np.float32
        np.testing.assert_array_equal(positions(window), np.arange(first, first + 2 * RATE))


def test_windows_leave_no_sample_out_and_are_the_fewest():
    rng = np.random.default_rng(0)
    for longest, spare in rng.integers(1, 500, (300, 2)).tolist():
        length = longest + spare
        starts = window_starts(length, longest, "windows")
        assert {at for first in starts for at in range(first, first + longest)} == set(range(length))
        assert len(starts) == math.ceil(length / longest)
        gaps = np.diff(starts)
        assert gaps.max() - gaps.min() <= 1


@pytest.mark.parametrize("long_clips", ["start", "center", "windows"])
def test_the_whole_length_is_told_whatever_is_kept(ramp, long_clips):
    assert load_audio(ramp(3 * RATE), RATE, 2.0, long_clips).seconds == 3.0


def test_a_window_does_not_hold_on_to_the_whole_clip(ramp):
    (window,) = load_audio(ramp(5 * RATE), RATE, 2.0).windows
    assert window.base is None


def test_another_word_is_refused(ramp):
    with pytest.raises(ValueError, match=r"one of start, center, windows, stop, but got 'end'"):
        load_audio(ramp(RATE), RATE, 2.0, "end")
