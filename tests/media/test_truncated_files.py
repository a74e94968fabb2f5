"""A file that was cut off is refused wherever the cut lies; a whole file never is."""

import re
import struct

import numpy as np
import pytest

from calm_pl.errors import BadClipError
from calm_pl.media import load_audio

pytest_plugins = ["sound_files"]

FORMATS = [
    ("a.wav", {"subtype": "PCM_16"}),
    ("a.wav", {"subtype": "PCM_24"}),
    ("a.wav", {"subtype": "FLOAT"}),
    ("a.wav", {"format": "WAVEX", "subtype": "PCM_16"}),
    ("a.flac", {"subtype": "PCM_16"}),
    ("a.ogg", {"subtype": "VORBIS"}),
    ("a.ogg", {"subtype": "OPUS"}),
]


def cut_points(size: int) -> list[int]:
    """Bytes that are left: all through the header, across the middle, and the last bytes one by one."""
    header = range(1, 130, 3)
    middle = (size * k // 40 for k in range(1, 40))
    end = range(size - 60, size)
    return sorted({n for n in [*header, *middle, *end] if 0 < n < size})


def noisy(sine, seconds: float = 1.0) -> np.ndarray:
    """A sine with noise, so that a compressed file has no page or frame that compresses to nothing."""
    clean = sine(16_000, seconds)
    return clean + 0.05 * np.random.default_rng(0).standard_normal(len(clean))


def read_cut(path, whole: bytes, left: int):
    """Read a file cut to `left` bytes."""
    path.write_bytes(whole[:left])
    return load_audio(path, 16_000, 30)


@pytest.mark.parametrize(("name", "how"), FORMATS)
def test_a_cut_anywhere_is_refused_with_the_files_name(write, sine, name, how):
    path = write(name, noisy(sine), **how)
    whole = path.read_bytes()
    assert len(load_audio(path, 16_000, 30).windows[0]) == 16_000
    for left in cut_points(len(whole)):
        with pytest.raises(BadClipError, match=re.escape(str(path))):
            read_cut(path, whole, left)


@pytest.mark.parametrize("missing", [0.5, 0.1, 0.02])
def test_a_cut_mp3_is_refused(write, sine, missing):
    path = write("a.mp3", noisy(sine))
    whole = path.read_bytes()
    with pytest.raises(BadClipError, match=re.escape(str(path))):
        read_cut(path, whole, int(len(whole) * (1 - missing)))


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("big-endian.wav", {"format": "WAV", "endian": "BIG"}),
        ("over-4-gigabytes.wav", {"format": "RF64"}),
        ("a.aiff", {"format": "AIFF"}),
    ],
)
def test_a_cut_in_the_rarer_containers_is_refused_too(write, sine, name, how):
    # libsndfile reads what is left of each of these without a word.
    path = write(name, noisy(sine), subtype="PCM_16", **how)
    whole = path.read_bytes()
    with pytest.raises(BadClipError, match=r"is truncated"):
        read_cut(path, whole, len(whole) // 2)


def test_the_message_counts_what_is_missing(write, sine):
    path = write("a.wav", sine(16_000))
    whole = path.read_bytes()
    with pytest.raises(BadClipError, match=r"a\.wav: is truncated: .* promises 16000 bytes .* 15990 are"):
        read_cut(path, whole, len(whole) - 10)


def test_an_ogg_cut_between_two_pages_looks_like_a_stream(write, sine):
    # Every page that is left is whole; only the mark of the last one is missing, as in streams.
    path = write("a.ogg", noisy(sine, 3.0))
    whole = path.read_bytes()
    borders = [m.start() for m in re.finditer(b"OggS", whole)][1:]
    assert len(borders) >= 3
    with pytest.raises(BadClipError, match=r"is truncated: it has no samples"):
        read_cut(path, whole, borders[0])
    lengths = [len(read_cut(path, whole, border).windows[0]) for border in borders[2:]]
    assert lengths == sorted(set(lengths))
    assert lengths[-1] < 48_000


def chunk(name: bytes, body: bytes) -> bytes:
    """A RIFF chunk, padded to an even length."""
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def wav(*chunks: bytes, declared: int | None = None) -> bytes:
    """A WAV file of chunks after its format: mono, 16 kHz, 16 bit."""
    body = b"WAVE" + chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 16_000, 32_000, 2, 16)) + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body) if declared is None else declared) + body


PCM = (np.arange(4_000) % 100).astype("<i2").tobytes()


@pytest.mark.parametrize("size", [0, 1, 6, 7, 333])
def test_chunks_of_any_size_before_the_samples_are_stepped_over(tmp_path, size):
    path = tmp_path / "a.wav"
    path.write_bytes(wav(chunk(b"LIST", b"INFO"[:size].ljust(size, b"x")), chunk(b"data", PCM)))
    samples = load_audio(path, 16_000, 30).windows[0]
    np.testing.assert_allclose(samples * 32_768, np.frombuffer(PCM, "<i2"))


@pytest.mark.parametrize("size", [1, 2, 333])
def test_chunks_after_the_samples_are_ignored(tmp_path, size):
    path = tmp_path / "a.wav"
    path.write_bytes(wav(chunk(b"data", PCM), chunk(b"LIST", b"x" * size)))
    assert len(load_audio(path, 16_000, 30).windows[0]) == 4_000


def test_a_wav_written_to_a_pipe_is_whole(tmp_path):
    # A writer that cannot seek back leaves the largest number as both sizes, as ffmpeg does.
    path = tmp_path / "a.wav"
    path.write_bytes(wav(b"data" + struct.pack("<I", 0xFFFFFFFF) + PCM, declared=0xFFFFFFFF))
    assert len(load_audio(path, 16_000, 30).windows[0]) == 4_000


def test_a_wav_with_an_unpadded_odd_number_of_bytes_is_whole(tmp_path, write):
    samples = np.linspace(-0.5, 0.5, 4_001)
    path = write("a.wav", samples, subtype="PCM_U8")
    whole = path.read_bytes()
    data = whole.index(b"data") + 8 + 4_001
    path.write_bytes(whole[:data])
    assert len(load_audio(path, 16_000, 30).windows[0]) == 4_001


def test_a_wav_without_samples_says_so(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(wav())
    with pytest.raises(BadClipError, match=r"a\.wav: .*no data chunk"):
        load_audio(path, 16_000, 30)


@pytest.mark.parametrize("seconds", [0.1, 0.37, 1.0, 5.0])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_whole_files_are_never_called_truncated(write, sine, suffix, channels, seconds):
    for rate in (8_000, 16_000, 44_100):
        samples = np.stack([sine(rate, seconds)] * channels, 1)
        read = load_audio(write(f"a.{suffix}", samples, rate), rate, 30)
        assert len(read.windows[0]) == len(samples)


def test_silence_is_whole(write):
    # The smallest Ogg and FLAC files there are: little follows the header.
    for suffix in ("wav", "flac", "ogg", "mp3"):
        assert len(load_audio(write(f"a.{suffix}", np.zeros(16_000)), 16_000, 30).windows[0]) == 16_000
