"""Clips inside a page: playable, bounded, and what is left out is counted."""

import base64
import io

import numpy as np
import pytest
import soundfile

from calm_pl.report import sound
from calm_pl.report.sound import data_uri, embed


def decoded(uri):
    return soundfile.read(io.BytesIO(base64.b64decode(uri.split(",")[1])))


@pytest.fixture
def files(tmp_path):
    time = np.arange(22_050) / 22_050
    for n in range(5):
        tone = np.sin(2 * np.pi * (400 + 100 * n) * time)
        soundfile.write(tmp_path / f"{n}.wav", np.stack([tone, tone], 1) * 0.5, 22_050)
    return {f"{n}": tmp_path / f"{n}.wav" for n in range(5)}


def test_a_clip_comes_back_mono_at_16_khz_and_sounds_the_same(files):
    uri = embed(["2"], files, 10**6).uris["2"]
    assert uri.startswith("data:audio/mpeg;base64,")
    wave, rate = decoded(uri)
    assert (rate, wave.ndim) == (16_000, 1)
    assert len(wave) / rate == pytest.approx(1, abs=0.15)  # MP3 pads
    loudest = np.abs(np.fft.rfft(wave)).argmax() * rate / len(wave)
    assert loudest == pytest.approx(600, abs=5)
    assert np.abs(wave[4000:12_000]).max() == pytest.approx(0.5, abs=0.05)


def test_louder_than_full_scale_is_turned_down_and_not_clipped():
    tone = (3 * np.sin(np.arange(16_000) * 0.2)).astype(np.float32)
    wave, _ = decoded(data_uri(tone))
    inner = wave[4000:12_000]
    assert np.abs(inner).max() <= 1.05
    assert np.sqrt((inner**2).mean()) == pytest.approx(np.sqrt(0.5), abs=0.05)  # a sine's, not a square's


def test_the_limit_holds_and_the_rest_is_counted(files):
    whole = embed(list("01234"), files, 10**9)
    sizes = [len(uri) for uri in whole.uris.values()]
    some = embed(list("01234"), files, sizes[0] + sizes[1] + 1)
    assert list(some.uris) == ["0", "1"]
    assert some.too_many == 3
    assert (whole.too_many, whole.unread, whole.cut) == (0, 0, 0)


def test_clips_that_are_gone_or_broken_or_long(files, tmp_path):
    files["1"].write_text("no sound")
    files["2"].unlink()
    soundfile.write(tmp_path / "long.wav", np.zeros(11 * 8000), 8000)
    found = embed(["0", "0", "1", "2", "elsewhere", "long"], {**files, "long": tmp_path / "long.wav"}, 10**9)
    assert list(found.uris) == ["0", "long"]
    assert (found.unread, found.cut) == (3, 1)
    wave, rate = decoded(found.uris["long"])
    assert len(wave) / rate == pytest.approx(sound.MOST_SECONDS, abs=0.2)


def test_where_mp3_cannot_be_written_it_is_wav(files, monkeypatch):
    monkeypatch.setattr(soundfile, "available_formats", lambda: {"WAV": "", "FLAC": ""})
    uri = embed(["0"], files, 10**6).uris["0"]
    assert uri.startswith("data:audio/wav;base64,")
    wave, rate = decoded(uri)
    assert (len(wave), rate) == (16_000, 16_000)
