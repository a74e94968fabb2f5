"""Every promised format, depth and channel count becomes the same mono float32 waveform."""

import numpy as np
import pytest

from calm_pl.media import load_audio

pytest_plugins = ["sound_files"]

# Largest difference between what was written and what is read: half a step of the depth, or lossy coding.
LOSSLESS = [
    ("a.wav", {"subtype": "PCM_U8"}, 1 / 128),
    ("a.wav", {"subtype": "PCM_16"}, 1 / 32_768),
    ("a.wav", {"subtype": "PCM_24"}, 1 / 2**23),
    ("a.wav", {"subtype": "PCM_32"}, 1e-7),
    ("a.wav", {"subtype": "FLOAT"}, 1e-7),
    ("a.wav", {"subtype": "DOUBLE"}, 1e-7),
    ("a.wav", {"format": "WAVEX", "subtype": "PCM_16"}, 1 / 32_768),
    ("a.wav", {"format": "RF64", "subtype": "PCM_16"}, 1 / 32_768),
    ("a.aiff", {"subtype": "PCM_16"}, 1 / 32_768),
    ("a.flac", {"subtype": "PCM_16"}, 1 / 32_768),
    ("a.flac", {"subtype": "PCM_24"}, 1 / 2**23),
]
LOSSY = [
    ("a.ogg", {"subtype": "VORBIS"}),
    ("a.ogg", {"subtype": "OPUS"}),
    ("a.mp3", {"subtype": "MPEG_LAYER_III"}),
]


@pytest.mark.parametrize(("name", "how", "step"), LOSSLESS)
def test_lossless_formats_give_back_what_was_written(write, sine, name, how, step):
    written = sine(16_000)
    read = load_audio(write(name, written, **how), 16_000, 30)
    assert read.windows[0].dtype == np.float32
    assert read.windows[0].shape == written.shape
    assert np.abs(read.windows[0] - written).max() <= 1.01 * step
    assert not read.was_cut


@pytest.mark.parametrize(("name", "how"), LOSSY)
def test_lossy_formats_give_back_the_length_and_nearly_the_sound(write, sine, name, how):
    written = sine(16_000, seconds=1.0)
    read = load_audio(write(name, written, **how), 16_000, 30)
    assert read.windows[0].dtype == np.float32
    assert read.windows[0].shape == written.shape
    middle = slice(2_000, -2_000)  # coders fade at the ends
    assert np.corrcoef(read.windows[0][middle], written[middle])[0, 1] > 0.99


@pytest.mark.parametrize("how", [{}, {"format": "FLAC"}, {"format": "OGG"}])
@pytest.mark.parametrize("channels", range(1, 9))
def test_one_to_eight_channels_become_mono(write, sine, channels, how):
    samples_NC = np.stack([sine(16_000)] * channels, 1)
    suffix = how.get("format", "wav").lower()
    read = load_audio(write(f"a.{suffix}", samples_NC, **how), 16_000, 30)
    assert read.windows[0].shape == (8_000,)
    # Equal channels have themselves as mean: neither a sum nor the louder for being many.
    assert np.sqrt((read.windows[0] ** 2).mean()) == pytest.approx(0.25 / np.sqrt(2), rel=0.05)


@pytest.mark.parametrize("channels", [2, 5, 8])
def test_mono_is_the_mean_of_all_channels(write, sine, channels):
    # Multiples 1, 2, ... of one sine: first, last, sum and mean of the channels all differ.
    samples_NC = sine(16_000, amplitude=0.05)[:, None] * np.arange(1, channels + 1)
    read = load_audio(write("a.wav", samples_NC, subtype="FLOAT"), 16_000, 30)
    np.testing.assert_allclose(read.windows[0], samples_NC.mean(1), atol=1e-6)


def test_stereo_of_x_and_three_x_is_two_x(write, sine):
    x = sine(16_000)
    read = load_audio(write("a.wav", np.stack([x, 3 * x], 1), subtype="FLOAT"), 16_000, 30)
    np.testing.assert_allclose(read.windows[0], 2 * x, atol=1e-6)


def test_opposite_channels_cancel(write, sine):
    x = sine(16_000)
    read = load_audio(write("a.wav", np.stack([x, -x], 1), subtype="FLOAT"), 16_000, 30)
    np.testing.assert_allclose(read.windows[0], 0, atol=1e-7)


def test_a_path_may_be_text(write, sine):
    path = write("a.wav", sine(16_000))
    np.testing.assert_array_equal(
        load_audio(str(path), 16_000, 30).windows[0], load_audio(path, 16_000, 30).windows[0]
    )


def test_format_is_told_by_content_not_by_suffix(write, sine):
    path = write("a.wav", sine(16_000), format="FLAC")
    assert len(load_audio(path, 16_000, 30).windows[0]) == 8_000


def test_names_with_spaces_and_other_alphabets_are_read(write, sine):
    assert len(load_audio(write("hund bellt – собака 犬.ogg", sine(16_000)), 16_000, 30).windows[0]) == 8_000
