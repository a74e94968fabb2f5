"""Any rate of 8 to 192 kHz keeps its pitch, loudness and length at the model's rate."""

import math

import numpy as np
import pytest
import torchaudio

from calm_pl.media import load_audio

pytest_plugins = ["sound_files"]

RATES = [8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000, 192_000]
LARGEST_KERNEL = 2**24


def peak_hertz(samples: np.ndarray, rate: int) -> float:
    """Frequency of the strongest bin of the spectrum."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum)) * rate / len(samples)


@pytest.mark.parametrize("target", [16_000, 24_000])
@pytest.mark.parametrize("rate", RATES)
def test_a_sine_keeps_pitch_loudness_and_length(write, sine, rate, target):
    path = write("a.wav", sine(rate, 1.0, hertz=1_000), rate, subtype="FLOAT")
    samples = load_audio(path, target, 30).windows[0]
    assert samples.dtype == np.float32
    assert abs(len(samples) - target) <= 1
    assert peak_hertz(samples, target) == pytest.approx(1_000, abs=1.5)
    assert np.abs(samples[200:-200]).max() == pytest.approx(0.25, rel=0.02)


@pytest.mark.parametrize("suffix", ["flac", "ogg"])
@pytest.mark.parametrize("rate", [8_000, 44_100, 192_000])
def test_compressed_files_of_other_rates_are_resampled_too(write, sine, rate, suffix):
    samples = load_audio(write(f"a.{suffix}", sine(rate, 1.0, hertz=1_000), rate), 16_000, 30).windows[0]
    assert abs(len(samples) - 16_000) <= 1
    assert peak_hertz(samples, 16_000) == pytest.approx(1_000, abs=1.5)


def test_odd_lengths_are_kept_within_a_sample(write, sine):
    for frames in (4_411, 12_345, 30_001):
        samples = load_audio(write("a.wav", sine(44_100)[:1].repeat(frames), 44_100), 16_000, 30).windows[0]
        assert abs(len(samples) - frames * 16_000 / 44_100) <= 1


def test_what_the_new_rate_cannot_hold_is_removed_and_not_folded_back(write, sine):
    # 10 kHz lies above half of 16 kHz: dropping samples would alias it to a loud 6 kHz.
    path = write("a.wav", sine(48_000, 1.0, hertz=10_000), 48_000, subtype="FLOAT")
    assert np.abs(load_audio(path, 16_000, 30).windows[0][200:-200]).max() < 0.01


def test_the_models_own_rate_is_not_touched(write):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 16_000).astype(np.float32)
    path = write("a.wav", noise, subtype="FLOAT")
    np.testing.assert_array_equal(load_audio(path, 16_000, 30).windows[0], noise)


@pytest.mark.parametrize("rate", [22_254, 44_101, 96_001, 191_999])
def test_rates_that_share_no_factor_with_the_models_are_read_in_bounded_memory(
    write, sine, monkeypatch, rate
):
    # torchaudio's filter has (rate / gcd) x (target / gcd) taps: 3 billion at 191,999 Hz.
    real = torchaudio.functional.resample

    def bounded(waveform, orig_freq, new_freq, *args, **kwargs):
        common = math.gcd(int(orig_freq), int(new_freq))
        taps = int(orig_freq) // common * (int(new_freq) // common)
        assert taps <= LARGEST_KERNEL, f"a filter of {taps:,} taps"
        return real(waveform, orig_freq, new_freq, *args, **kwargs)

    monkeypatch.setattr(torchaudio.functional, "resample", bounded)
    samples = load_audio(write("a.wav", sine(rate, 1.0, hertz=1_000), rate), 16_000, 30).windows[0]
    assert abs(len(samples) - 16_000) <= 1
    assert peak_hertz(samples, 16_000) == pytest.approx(1_000, abs=1.5)
