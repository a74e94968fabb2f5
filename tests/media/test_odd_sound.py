"""Sound that can be read but of which little is heard: each kind, its bounds, and what is none of them."""

import numpy as np
import pytest

from calm_pl.errors import BadClipError
from calm_pl.media import load_audio

pytest_plugins = ["sound_files", "container_fixtures"]

RATE = 16_000
STEP = 2.0**-15


def odd(path, **how):
    return load_audio(path, RATE, 2.0, **how).odd


@pytest.fixture
def floats(write):
    """Write samples (N,) or (N, channels) without rounding them."""

    def make(samples, rate=RATE):
        return write("a.wav", np.asarray(samples, np.float32), rate, subtype="FLOAT")

    return make


@pytest.mark.parametrize("offset", [0.0, 0.5])
@pytest.mark.parametrize(("swing", "kinds"), [(0.0, ("silent",)), (0.9 * STEP, ("silent",)), (STEP, ())])
def test_silence_swings_by_less_than_one_step_of_16_bits(floats, offset, swing, kinds):
    samples = np.full(RATE, offset)
    samples[4_321] += swing
    assert odd(floats(samples)) == kinds


def test_a_clip_that_is_silent_at_first_is_not_silent(floats, sine):
    assert odd(floats(np.concatenate([np.zeros(RATE), sine(RATE)]))) == ()


def test_what_the_model_does_not_hear_does_not_count(floats, sine):
    path = floats(np.concatenate([np.zeros(2 * RATE), sine(RATE, 1.0)]))
    assert odd(path) == ("silent",)
    assert odd(path, long_clips="windows") == ()


@pytest.mark.parametrize(
    ("channels", "kinds"),
    [
        ([1.0, -1.0], ("cancelling",)),
        ([1.0, -0.94], ("cancelling",)),  # the mean has 0.00096 of the channels' power
        ([1.0, -0.93], ()),
        ([1.0, 0.0], ()),
        ([1.0, 1.0], ()),
        ([1.0, -1.0, 0.5, -0.5], ("cancelling",)),
        ([1.0, 0, 0, 0, 0, 0], ()),  # one voice in six channels
        ([0.0, 0.0], ("silent",)),
        ([1e30, -1e30], ("cancelling",)),  # whose power overflows
    ],
)
def test_channels_that_cancel_in_their_mean(floats, sine, channels, kinds):
    assert odd(floats(sine(RATE)[:, None] * channels)) == kinds


def test_channels_of_a_container_that_cancel(sound, sine):
    voice = (sine(RATE)[:, None] * [1, -1] * 2**15).round()
    assert odd(sound("a.mkv", voice, codec="flac", sample_format="s16")) == ("cancelling",)
    assert odd(sound("b.mkv", np.abs(voice), codec="flac", sample_format="s16")) == ()


@pytest.mark.parametrize(("peak", "loud"), [(10.0, False), (-10.5, True), (32_767.0, True), (2.0**32, True)])
def test_levels_far_above_full_scale(floats, peak, loud):
    samples = np.zeros(RATE)
    samples[5] = peak
    assert odd(floats(samples)) == (("too_loud",) if loud else ())


@pytest.mark.parametrize(("rate", "frames"), [(16_000, 1_599), (44_100, 4_000), (8_000, 799), (8_000, 1)])
def test_a_clip_under_a_tenth_of_a_second_is_padded_with_silence(floats, rate, frames):
    read = load_audio(floats(np.full(frames, 0.5), rate), RATE, 30)
    (samples,) = read.windows
    assert read.odd == ("short",)
    assert read.seconds == frames / rate
    assert (samples.dtype, len(samples)) == (np.float32, 1_600)
    assert samples[0] != 0
    np.testing.assert_array_equal(samples[-(-frames * RATE // rate) :], 0)


@pytest.mark.parametrize(
    ("rate", "frames"), [(16_000, 1_600), (44_100, 4_410), (44_100, 4_408), (8_000, 800)]
)
def test_a_tenth_of_a_second_is_taken_as_it_is(floats, rate, frames):
    # 4,408 samples at 44.1 kHz are 1,600 at 16 kHz: in samples nothing lacks.
    read = load_audio(floats(np.linspace(0, 0.5, frames), rate), RATE, 30)
    assert read.odd == ()
    assert len(read.windows[0]) == 1_600


def test_short_silence_is_both_and_no_sample_is_an_error(floats):
    assert odd(floats(np.zeros(400))) == ("silent", "short")
    with pytest.raises(BadClipError, match="contains no samples"):
        odd(floats(np.zeros(0)))
