"""The sound of containers: every codec gives the waveform that went in, as mono float32 at the asked rate."""

import shutil

import numpy as np
import pytest
import soundfile

from calm_pl.media import load_audio

pytest_plugins = ["sound_files", "container_fixtures"]

# name, codec, sample format: how the samples are given to the encoder
LOSSY = [
    ("a.mp4", "aac", "fltp"),
    ("a.m4a", "aac", "fltp"),
    ("a.aac", "aac", "fltp"),
    ("a.mov", "aac", "fltp"),
    ("a.webm", "libopus", "flt"),
    ("a.mkv", "libopus", "flt"),
    ("a.avi", "libmp3lame", "fltp"),
    ("a.ts", "aac", "fltp"),
    ("a.flv", "libmp3lame", "fltp"),
    ("a.wma", "wmav2", "fltp"),
]
LOSSLESS = [
    ("a.m4a", "alac", "s16p", 2**15),
    ("a.mkv", "flac", "s16", 2**15),
    ("a.mp4", "flac", "s16", 2**15),
    ("a.mov", "pcm_s16le", "s16", 2**15),
    ("a.mov", "pcm_s16be", "s16", 2**15),
    ("a.mkv", "pcm_s32le", "s32", 2**31),
    ("a.avi", "pcm_u8", "u8", 2**7),
    ("a.mkv", "pcm_f32le", "flt", 1),
    ("a.mkv", "pcm_f64le", "dbl", 1),
]


@pytest.mark.parametrize(("name", "codec", "sample_format"), LOSSY)
@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_lossy_codecs_give_nearly_the_sound(sound, sine, name, codec, sample_format, rate):
    if name == "a.flv":
        rate = 44_100  # it knows neither of the others
    how = {"codec": codec, "sample_format": sample_format, "options": {"b": "64k"}}
    path = sound(name, sine(rate, 2.0, 440), rate=rate, **how)
    (samples,), was_cut, seconds, _ = load_audio(path, 16_000, 30)
    assert samples.dtype == np.float32
    assert samples.ndim == 1
    assert not was_cut
    assert 1.95 < seconds < 2.2  # coders pad
    assert len(samples) == pytest.approx(16_000 * seconds, abs=1)
    middle = samples[8_000:24_000]
    assert np.argmax(np.abs(np.fft.rfft(middle))) == 440
    assert np.sqrt((middle**2).mean()) == pytest.approx(0.25 / np.sqrt(2), rel=0.05)


@pytest.mark.parametrize(("name", "codec", "sample_format", "full"), LOSSLESS)
@pytest.mark.parametrize("channels", [1, 2])
def test_lossless_codecs_give_the_mean_of_the_channels(sound, name, codec, sample_format, full, channels):
    rng = np.random.default_rng(0)
    written = np.rint(rng.uniform(-0.9, 0.9, (4_000, channels)) * full) if full > 1 else None
    if written is None:
        written = rng.uniform(-0.9, 0.9, (4_000, channels))
    stored = written + (128 if sample_format == "u8" else 0)
    path = sound(name, stored, codec=codec, sample_format=sample_format)
    (samples,), _, seconds, _ = load_audio(path, 16_000, 30)
    assert seconds == 0.25
    np.testing.assert_allclose(samples, (written / full).mean(1), atol=1e-7)


def test_a_container_and_a_sound_file_of_the_same_samples_are_equal(sound, write):
    samples = np.random.default_rng(0).integers(-20_000, 20_000, 22_050)
    contained = sound("a.mkv", samples, rate=44_100, codec="pcm_s16le", sample_format="s16")
    alone = write("a.wav", samples.astype(np.int16), 44_100, subtype="PCM_16")
    expected = load_audio(alone, 16_000, 0.3, "windows")
    read = load_audio(contained, 16_000, 0.3, "windows")
    assert len(read.windows) == len(expected.windows) == 2
    for ours, theirs in zip(read.windows, expected.windows, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_six_channels_become_their_mean(sound):
    samples_NC = np.random.default_rng(0).integers(-20_000, 20_000, (3_200, 6))
    path = sound("a.mkv", samples_NC, codec="flac", sample_format="s16")
    (samples,) = load_audio(path, 16_000, 30).windows
    np.testing.assert_allclose(samples, samples_NC.mean(1) / 2**15, atol=1e-7)


def test_opus_priming_is_no_sound(sound, sine):
    # 312 samples at 48 kHz stand before the clip; decoded with them it would be that much longer and late.
    path = sound("a.webm", sine(48_000, 1.0), rate=48_000, codec="libopus", sample_format="flt")
    (samples,) = load_audio(path, 48_000, 30).windows
    assert len(samples) == 48_000
    in_step = sine(48_000, 1.0)[4_800:-4_800]
    assert np.corrcoef(samples[4_800:-4_800], in_step)[0, 1] > 0.999


def test_sound_beside_a_picture_is_found(video, sine):
    path = video("a.mp4", sound=sine(16_000, 2.0))
    (samples,) = load_audio(path, 16_000, 30).windows
    assert np.argmax(np.abs(np.fft.rfft(samples[8_000:24_000]))) == 440


@pytest.mark.parametrize("suffix", ["mp4", "wav", "bin", ""])
def test_content_decides_and_not_the_suffix(sound, write, sine, tmp_path, suffix):
    aac = shutil.copy(sound("a.m4a", sine(16_000, 1.0)), tmp_path / f"contained.{suffix}")
    assert load_audio(aac, 16_000, 30).seconds > 0.9
    wav = shutil.copy(write("a.flac", sine(16_000, 1.0)), tmp_path / f"alone.{suffix}")
    assert load_audio(wav, 16_000, 30).seconds == 1.0


def test_aac_with_an_id3_tag_is_no_mp3(sound, sine, tmp_path):
    plain = sound("plain.aac", sine(16_000, 1.0))
    tagged = tmp_path / "tagged.aac"
    tagged.write_bytes(b"ID3\x04\x00\x00\x00\x00\x00\x0a" + bytes(10) + plain.read_bytes())
    np.testing.assert_array_equal(
        load_audio(tagged, 16_000, 30).windows[0], load_audio(plain, 16_000, 30).windows[0]
    )


def test_opus_and_vorbis_in_ogg_stay_with_soundfile(write, sine, monkeypatch):
    path = write("a.ogg", sine(16_000, 1.0), subtype="OPUS")
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    assert load_audio(path, 16_000, 30).seconds == soundfile.info(path).duration
