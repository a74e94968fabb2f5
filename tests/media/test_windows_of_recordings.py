"""Windows of long recordings: the sound of each is that of the whole recording, cut there."""

import tracemalloc

import numpy as np
import pytest
import soundfile

from calm_pl.errors import BadClipError
from calm_pl.media.sound import read_sound, sound_blocks
from calm_pl.media.windows import sound_windows

pytest_plugins = ["sound_files", "container_fixtures", "decoder_fixtures"]


def expected(length, rate, seconds, hop):
    """First and last sample of each window, from the definition: the first to reach the end is the last."""
    spans = []
    number = 0
    while True:
        start = round(number * hop * rate)
        stop = min(start + round(seconds * rate), length)
        if number and (stop - start < round(0.1 * rate) or stop <= spans[-1][1]):
            return spans
        spans.append((start, stop))
        if stop == length:
            return spans
        number += 1


@pytest.mark.parametrize(("seconds", "hop"), [(1.0, 0.5), (1.0, 1.0), (0.7, 0.3), (100, 50)])
@pytest.mark.parametrize("length", [400, 8_000, 12_000, 12_001, 13_000, 200_003])
def test_windows_are_cut_from_the_whole(write, seconds, hop, length):
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, length).astype(np.float32)
    path = write("long.wav", samples, 8_000, subtype="FLOAT")
    windows = list(sound_windows(sound_blocks(path), seconds, hop))
    spans = expected(length, 8_000, seconds, hop)
    assert [(w.start * 8_000, w.stop * 8_000) for w in windows] == [pytest.approx(span) for span in spans]
    for window, (start, stop) in zip(windows, spans, strict=True):
        np.testing.assert_array_equal(window.sound.samples_T, samples[start:stop])


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3", "a.m4a"])
def test_blocks_are_the_sound_of_the_whole_file(write, sound, sine, decoder, name):
    samples = sine(16_000, 20.0) + 0.01 * np.random.default_rng(0).standard_normal(320_000)
    path = sound(name, samples) if name.endswith("m4a") else write(name, samples)
    blocks = list(sound_blocks(path))
    assert len(blocks) > 1
    whole = read_sound(path)
    np.testing.assert_array_equal(np.concatenate([one.samples_T for one in blocks]), whole.samples_T)
    assert {one.rate for one in blocks} == {whole.rate}
    there = list(decoder.blocks(path))
    np.testing.assert_array_equal(np.concatenate([one.samples_T for one in there]), whole.samples_T)
    assert {one.rate for one in there} == {whole.rate}


def test_memory_does_not_grow_with_the_recording(tmp_path):
    def peak(seconds):
        path = tmp_path / f"{seconds}.wav"
        with soundfile.SoundFile(path, "w", 16_000, 1) as file:
            for _ in range(seconds):
                file.write(np.full(16_000, 0.1, np.float32))
        tracemalloc.start()
        count = sum(1 for _ in sound_windows(sound_blocks(path), 5, 2.5))
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return count, used

    peak(20)  # imports
    (few, short), (many, long) = peak(20), peak(400)
    assert (few, many) == (7, 159)
    assert long < 1.2 * short
    assert long < 400 * 16_000 * 4 / 8  # an eighth of the samples


def test_a_fault_in_the_middle_names_the_file(write):
    samples = np.full(400_000, 0.1, np.float32)
    samples[300_000] = np.nan
    path = write("bad.wav", samples, 8_000, subtype="FLOAT")
    windows = sound_windows(sound_blocks(path), 5, 5)
    assert next(windows).stop == 5
    with pytest.raises(BadClipError, match=r"bad\.wav: holds samples that are NaN"):
        list(windows)


def test_gaps_are_refused():
    with pytest.raises(ValueError, match="Expected `hop` to be above 0 and at most 5, but got 6"):
        next(sound_windows([], 5, 6))
