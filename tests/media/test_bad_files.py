"""What is no sound gets one clear message that names the file."""

import os

import numpy as np
import pytest

from calm_pl.errors import BadClipError
from calm_pl.media import load_audio

pytest_plugins = ["sound_files"]


def refuse(path, match: str, sample_rate: int = 16_000) -> None:
    """Expect a BadClipError of one line that begins with the path."""
    with pytest.raises(BadClipError, match=match) as caught:
        load_audio(path, sample_rate, 30)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_missing_file(tmp_path):
    refuse(tmp_path / "nowhere.wav", r"no such file")


def test_a_folder(tmp_path):
    folder = tmp_path / "clip.wav"
    folder.mkdir()
    refuse(folder, r"cannot be read: Is a directory")


def test_a_file_taken_for_a_folder(tmp_path):
    (tmp_path / "a.wav").write_text("x")
    refuse(tmp_path / "a.wav" / "b.wav", r"cannot be read: Not a directory")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission(write, sine):
    path = write("a.wav", sine(16_000))
    path.chmod(0)
    refuse(path, r"cannot be read: Permission denied")


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_an_empty_file(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(b"")
    refuse(path, r"is empty \(0 bytes\)")


# libsndfile tells headerless formats by these suffixes alone.
@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3", "raw", "", "txt"])
def test_text_with_another_name(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    path.write_text("<html><body>404 Not Found</body></html>\n" * 50)
    refuse(path, r"is not a sound file that can be decoded")


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_random_bytes(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(b"\x80" + np.random.default_rng(0).bytes(5_000))
    refuse(path, r".")


@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_numbers(write, sine, value, subtype):
    samples = sine(16_000)
    samples[4_321] = value
    refuse(write("a.wav", samples, subtype=subtype), r"holds samples that are NaN or infinite")


def test_nan_in_one_channel_only(write, sine):
    samples_NC = np.stack([sine(16_000)] * 3, 1)
    samples_NC[-1, 2] = np.nan
    refuse(write("a.wav", samples_NC, subtype="FLOAT"), r"NaN or infinite")


@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
def test_loud_channels_never_become_infinite(write):
    # Each sample is finite in float32, and so is their mean, but their sum is not.
    path = write("a.wav", np.full((16_000, 2), 3e38, dtype=np.float32), subtype="FLOAT")
    try:
        samples = load_audio(path, 16_000, 30).windows[0]
    except BadClipError:
        return
    assert np.isfinite(samples).all()


def test_a_header_and_no_samples(write):
    refuse(write("a.wav", np.zeros((0, 1))), r"contains no samples")


def flac_with_total(path, total: int) -> None:
    """Set the number of samples that a FLAC file's header declares; 0 stands for unknown."""
    content = bytearray(path.read_bytes())
    field = int.from_bytes(content[18:26], "big")
    content[18:26] = (field >> 36 << 36 | total).to_bytes(8, "big")
    path.write_bytes(content)


def test_a_flac_written_to_a_pipe_is_read_or_refused_with_a_message(write, sine):
    # An encoder that cannot seek back leaves the length unknown; libsndfile then reports 2^63 - 1 frames.
    path = write("a.flac", sine(16_000))
    flac_with_total(path, 0)
    try:
        outcome = len(load_audio(path, 16_000, 30).windows[0])
    except BadClipError as error:
        outcome = str(error)
    assert outcome == 8_000 or str(outcome).startswith(f"{path}: ")


def test_a_damaged_length_does_not_ask_for_all_memory(write, sine):
    path = write("a.flac", sine(16_000))
    flac_with_total(path, 2**36 - 1)  # 256 GiB of float32
    refuse(path, r".")


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_damaged_bytes_never_raise_anything_else(write, sine, monkeypatch, suffix):
    # A damaged header may state any rate; what odd rates cost has its own test.
    monkeypatch.setattr("torchaudio.functional.resample", lambda waveform, *_: waveform)
    rng = np.random.default_rng(0)
    path = write(f"a.{suffix}", sine(16_000) + 0.02 * rng.standard_normal(8_000))
    whole = path.read_bytes()
    refusals = []
    for trial in range(120):
        content = bytearray(whole)
        for _ in range(3):
            content[rng.integers(120 if trial % 2 else len(whole))] = rng.integers(256)
        path.write_bytes(content)
        try:
            load_audio(path, 16_000, 30)
        except BadClipError as error:
            refusals.append(str(error))
    assert refusals
    assert all(str(path) in refusal for refusal in refusals)


def test_samples_in_no_unit_of_sound(write, sine):
    path = write("a.wav", 1e11 * sine(16_000) / sine(16_000).max(), subtype="FLOAT")
    refuse(path, r"samples up to 1e\+11, but full scale is 1: that is no sound in any unit")
