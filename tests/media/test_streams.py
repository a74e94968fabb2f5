"""Compressed sound is heard to its end, whatever its header says: joined, streamed and piped files."""

import struct
from pathlib import Path

import numpy as np
import pytest
from stream_files import chunk, heard_by_pyav, ogg_page, pages, speex, wav, without_end

from calm_pl.errors import BadClipError
from calm_pl.media import MEDIA_SUFFIXES, load_audio
from calm_pl.media.ogg_pages import links_of

pytest_plugins = ["sound_files", "container_fixtures"]


def heard(path, rate: int) -> np.ndarray:
    """All samples of a file at its own rate."""
    return load_audio(path, rate, 100).windows[0]


def noisy(sine, rate: int = 44_100, seconds: float = 1.0) -> np.ndarray:
    """A tone in noise, so that no stretch is like another."""
    clean = sine(rate, seconds)
    return clean + 0.03 * np.random.default_rng(0).standard_normal(len(clean))


# name, codec, its sample format, muxer, rate, samples a frame, options of the encoder and of the muxer
CODINGS = [
    ("cbr.mp3", "libmp3lame", "fltp", "mp3", 44_100, 1_152, {"b": "64000"}, {"write_xing": "0"}),
    ("vbr.mp3", "libmp3lame", "fltp", "mp3", 44_100, 1_152, {"q": "4"}, {"write_xing": "0"}),
    ("low.mp3", "libmp3lame", "fltp", "mp3", 16_000, 576, {"b": "32000"}, {"write_xing": "0"}),
    ("tagged.mp3", "libmp3lame", "fltp", "mp3", 22_050, 576, {}, {"write_xing": "0", "write_id3v1": "1"}),
    ("xing.mp3", "libmp3lame", "fltp", "mp3", 44_100, 1_152, {"q": "4"}, {}),
    ("a.mp2", "mp2", "s16", "mp2", 44_100, 1_152, {}, {}),
    ("mp3.wav", "libmp3lame", "fltp", "wav", 16_000, 576, {}, {}),
    ("mp2.wav", "mp2", "s16", "wav", 16_000, 1_152, {}, {}),
    ("g722.wav", "g722", "s16", "wav", 16_000, 1_024, {}, {}),
    ("g726.wav", "g726", "s16", "wav", 8_000, 1_024, {"b": "32000"}, {}),
    ("yamaha.wav", "adpcm_yamaha", "s16", "wav", 16_000, 1_024, {}, {}),
    ("flac.ogg", "flac", "s16", "ogg", 16_000, 4_608, {}, {}),
    ("opus.ogg", "libopus", "flt", "ogg", 48_000, 960, {}, {}),
    ("alac.caf", "alac", "s16p", "caf", 16_000, 4_096, {}, {}),
    ("ima4.caf", "adpcm_ima_qt", "s16p", "caf", 16_000, 64, {}, {}),
    ("a.wv", "wavpack", "fltp", "wv", 16_000, 16_000, {}, {}),
    ("a.tta", "tta", "s16", "tta", 16_000, 16_718, {}, {}),
    ("a.ac3", "ac3", "fltp", "ac3", 48_000, 1_536, {}, {}),
    ("a.eac3", "eac3", "fltp", "eac3", 48_000, 1_536, {}, {}),
    ("a.mts", "ac3", "fltp", "mpegts", 48_000, 1_536, {}, {"mpegts_m2ts_mode": "1"}),
    ("a.mp4", "aac", "fltp", "mp4", 44_100, 1_024, {}, {}),
]


@pytest.mark.parametrize(
    ("name", "codec", "kind", "muxer", "rate", "frame", "options", "muxing"),
    CODINGS,
    ids=[one[0] for one in CODINGS],
)
def test_every_coding_gives_what_pyav_hears(
    sound, sine, name, codec, kind, muxer, rate, frame, options, muxing
):
    samples = noisy(sine, rate)
    stored = samples if kind.startswith("fl") else np.rint(32_000 * samples)
    path = sound(
        name, stored, rate=rate, codec=codec, sample_format=kind, format=muxer, options=options, muxing=muxing
    )
    theirs, theirs_rate = heard_by_pyav(path)
    ours = heard(path, rate)
    assert theirs_rate == rate
    assert abs(len(ours) - len(theirs)) <= frame
    assert len(ours) >= rate - frame
    both = min(len(ours), len(theirs))
    assert np.corrcoef(ours[:both], theirs[:both])[0, 1] > 0.99


@pytest.mark.parametrize("codings", [("GSM610", 8_000), ("G721_32", 8_000), ("NMS_ADPCM_16", 8_000)])
def test_wav_codings_in_which_nobody_can_seek_are_heard(write, sine, codings):
    subtype, rate = codings
    path = write("a.wav", sine(rate, 1.0), rate, subtype=subtype)
    assert len(heard(path, rate)) == pytest.approx(rate, abs=400)


def test_speex_goes_to_the_second_reader(tmp_path):
    path = tmp_path / "a.spx"
    path.write_bytes(speex(50))
    theirs, _ = heard_by_pyav(path)
    ours = heard(path, 8_000)
    assert len(theirs) == 8_000
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("tag", [0x1600, 0xFF])
def test_aac_frames_in_a_wav_are_heard(sound, sine, tmp_path, tag):
    adts = sound("plain.aac", sine(16_000, 1.0)).read_bytes()
    path = tmp_path / "a.wav"
    path.write_bytes(wav(adts, 36 + len(adts), len(adts), tag))
    assert len(heard(path, 16_000)) == pytest.approx(16_000, abs=2_048)


def test_joined_mp3s_are_heard_one_after_the_other(sound, sine, tmp_path):
    parts = [
        sound(name, noisy(sine, 44_100, seconds), rate=44_100, codec="libmp3lame", muxing=muxing)
        for name, seconds, muxing in (
            ("counted.mp3", 1.0, {}),
            ("uncounted.mp3", 0.7, {"write_xing": "0"}),
            ("untagged.mp3", 0.5, {"id3v2_version": "0"}),
        )
    ]
    path = tmp_path / "joined.mp3"
    for order in ((0, 1), (1, 0), (0, 0), (2, 2), (0, 2), (1, 2, 0)):
        path.write_bytes(b"".join(parts[one].read_bytes() for one in order))
        lengths = [len(heard(parts[one], 44_100)) for one in order]
        assert abs(len(heard(path, 44_100)) - sum(lengths)) <= 1_152, order


@pytest.mark.parametrize(
    "around",
    [
        (b"", bytes(5_000)),
        (bytes(2_000), b""),
        (b"", b"TAG" + bytes(125)),
        (b"", b"APETAGEX" + struct.pack("<IIII", 2_000, 32, 0, 0x80000000) + bytes(8)),
        (b"", b"LYRICSBEGIN" + b"IND0000211" + b"000021LYRICS200"),
    ],
)
def test_tags_and_zeros_around_an_mp3_are_no_sound(sound, sine, tmp_path, around):
    plain = sound("a.mp3", noisy(sine), rate=44_100, codec="libmp3lame")
    path = tmp_path / "b.mp3"
    path.write_bytes(around[0] + plain.read_bytes() + around[1])
    np.testing.assert_allclose(heard(path, 44_100), heard(plain, 44_100), atol=1e-3)


def test_a_broadcast_that_begins_within_a_frame_is_heard(sound, sine, tmp_path):
    how = {"rate": 44_100, "codec": "libmp3lame", "options": {"b": "128000"}}
    whole = sound("a.mp3", noisy(sine), muxing={"write_xing": "0", "id3v2_version": "0"}, **how)
    path = tmp_path / "b.mp3"
    path.write_bytes(whole.read_bytes()[700:])  # the rest of the second frame goes, too
    assert len(heard(whole, 44_100)) - len(heard(path, 44_100)) == 2 * 1_152


@pytest.mark.parametrize("muxing", [{}, {"write_xing": "0"}])
def test_a_cut_mp3_is_refused_with_and_without_a_count(sound, sine, muxing):
    path = sound("a.mp3", noisy(sine), rate=44_100, codec="libmp3lame", muxing=muxing)
    whole = path.read_bytes()
    for left in range(len(whole) // 3, len(whole), len(whole) // 30):
        path.write_bytes(whole[:left])
        with pytest.raises(BadClipError, match=r"a\.mp3: is truncated: its (header promises|last frame)"):
            heard(path, 44_100)


def test_bytes_between_frames_are_damage(sound, sine):
    path = sound("a.mp3", noisy(sine), rate=44_100, codec="libmp3lame", muxing={"write_xing": "0"})
    whole = path.read_bytes()
    half = len(whole) // 2
    path.write_bytes(whole[:half] + b"\x55" * 2_000 + whole[half:])
    with pytest.raises(BadClipError, match=r"is damaged: \d+ bytes at \d+ are no frames"):
        heard(path, 44_100)


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_a_chain_of_ogg_streams_is_all_of_them(write, sine, tmp_path, subtype):
    one = write("one.ogg", noisy(sine, 48_000, 1.0), 48_000, subtype=subtype)
    two = write("two.ogg", sine(48_000, 0.5), 48_000, subtype=subtype)
    path = tmp_path / "chain.ogg"
    path.write_bytes(one.read_bytes() + two.read_bytes() + one.read_bytes())
    parts = [heard(part, 48_000) for part in (one, two, one)]
    np.testing.assert_array_equal(heard(path, 48_000), np.concatenate(parts))


def test_a_chain_that_changes_its_rate_is_refused(write, sine, tmp_path):
    path = tmp_path / "chain.ogg"
    parts = [write(f"{rate}.ogg", sine(rate), rate).read_bytes() for rate in (16_000, 44_100)]
    path.write_bytes(b"".join(parts))
    with pytest.raises(BadClipError, match=r"changes its rate \(16000, 44100 Hz\) midway"):
        heard(path, 16_000)


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_an_ogg_stream_without_an_end_mark_is_whole(write, sine, subtype):
    path = write("a.ogg", noisy(sine, 48_000, 1.0), 48_000, subtype=subtype)
    path.write_bytes(without_end(path.read_bytes()))
    theirs, _ = heard_by_pyav(path)
    ours = heard(path, 48_000)
    assert abs(len(ours) - len(theirs)) <= 960
    assert len(ours) >= 48_000


def test_a_page_that_is_damaged_or_missing_is_refused(write, sine):
    path = write("a.ogg", noisy(sine, 44_100, 3.0), 44_100)
    whole = pages(path.read_bytes())
    assert len(whole) > 5
    path.write_bytes(b"".join([*whole[:3], *whole[4:]]))
    with pytest.raises(BadClipError, match=r"is damaged: pages in front of byte \d+ are missing"):
        heard(path, 44_100)
    for number in (0, 3, -1):
        page = bytearray(whole[number])
        page[-1] ^= 1
        changed = list(whole)
        changed[number] = bytes(page)
        path.write_bytes(b"".join(changed))
        with pytest.raises(BadClipError, match=r"is damaged: the checksum of the page at byte \d+ is wrong"):
            heard(path, 44_100)


PCM = (8_000 * np.sin(np.arange(8_000) / 5)).astype("<i2")
PLACEHOLDERS = [
    (2_000_000_036, 2_000_000_000),
    (0x7FFFFFFF, 0x7FFFFFDB),
    (0xFFFFFFFF, 0xFFFFFFDB),
    (0x7FFFF024, 0x7FFFF000),
    (0x80000024, 0x80000000),
    (0xFFFFFFFF, 0xFFFFFFFF),
    (0xFFFFFFFF, 0xFFFFFF00),
    (0, 0),
    (36, 0),
    (36 + 2 * len(PCM), 0),
]


@pytest.mark.parametrize(("riff", "size"), PLACEHOLDERS)
def test_a_wav_whose_size_nobody_knew_is_whole(tmp_path, riff, size):
    path = tmp_path / "a.wav"
    path.write_bytes(wav(PCM.tobytes(), riff, size))
    np.testing.assert_allclose(heard(path, 16_000), PCM / 32_768)


@pytest.mark.parametrize("size", [0x7FFFFFDB, 0])
def test_floats_and_companded_samples_of_unknown_size_are_whole(tmp_path, size):
    path = tmp_path / "a.wav"
    path.write_bytes(wav((PCM / 32_768).astype("<f4").tobytes(), 0xFFFFFFFF, size, tag=3, bits=32))
    np.testing.assert_allclose(heard(path, 16_000), PCM / 32_768, atol=1e-7)
    path.write_bytes(wav(bytes(range(256)) * 20, 0xFFFFFFFF, size, tag=7, bits=8))
    assert len(heard(path, 16_000)) == 5_120


def test_a_size_that_somebody_knew_is_believed(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(wav(PCM.tobytes(), 1_500_000_036, 1_500_000_000))
    with pytest.raises(BadClipError, match=r"is truncated: its header promises 1500000000 bytes"):
        heard(path, 16_000)
    path.write_bytes(wav(b"", 36, 0) + chunk(b"LIST", b"INFOx" * 2))  # tags are no samples
    with pytest.raises(BadClipError, match=r"contains no samples"):
        heard(path, 16_000)


def piped_flac(path) -> None:
    """Let a FLAC file's header say that nobody knows how many samples there are."""
    content = bytearray(path.read_bytes())
    field = int.from_bytes(content[18:26], "big")
    content[18:26] = (field >> 36 << 36).to_bytes(8, "big")
    path.write_bytes(content)


@pytest.mark.parametrize("channels", [1, 2])
def test_flac_from_a_pipe_is_whole(write, sine, channels):
    path = write("a.flac", np.stack([noisy(sine, 16_000, 2.0)] * channels, 1))
    whole = heard(path, 16_000)
    piped_flac(path)
    np.testing.assert_array_equal(heard(path, 16_000), whole)


def test_flac_from_a_pipe_that_is_cut_or_damaged_is_refused(write, sine):
    path = write("a.flac", noisy(sine, 16_000, 2.0))
    piped_flac(path)
    whole = path.read_bytes()
    for left in (*range(9_000, len(whole), len(whole) // 9), *range(len(whole) - 9, len(whole))):
        path.write_bytes(whole[:left])
        with pytest.raises(BadClipError):
            heard(path, 16_000)
    for at in range(9_000, len(whole) - 2, len(whole) // 9):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(BadClipError):
            heard(path, 16_000)


def test_flac_behind_a_tag_is_heard(write, sine, tmp_path):
    path = tmp_path / "tagged.flac"
    plain = write("a.flac", sine(16_000))
    path.write_bytes(b"ID3\x04\x00\x00\x00\x00\x00\x0a" + bytes(10) + plain.read_bytes())
    np.testing.assert_array_equal(heard(path, 16_000), heard(plain, 16_000))


@pytest.mark.parametrize("name", [b"beam", b"junk", b"PICT", b"thmb", b"\xa9xyz"])
def test_boxes_of_any_name_may_stand_before_the_index(sound, sine, name):
    path = sound("a.mp4", sine(16_000, 1.0))
    content = path.read_bytes()
    whole = heard(path, 16_000)
    assert b"free" in content[:60]
    path.write_bytes(content.replace(b"free", name, 1))
    np.testing.assert_array_equal(heard(path, 16_000), whole)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(BadClipError, match=r"is truncated"):
        heard(path, 16_000)


@pytest.mark.parametrize(
    ("name", "format", "subtype"),
    [
        ("a.au", "AU", "PCM_16"),
        ("a.caf", "CAF", "PCM_16"),
        ("a.w64", "W64", "PCM_16"),
        ("a.sph", "NIST", "PCM_16"),
        ("a.sph", "NIST", "ULAW"),
        ("a.aiff", "AIFF", "FLOAT"),
    ],
)
def test_a_cut_in_formats_that_state_their_size_is_refused(write, sine, name, format, subtype):
    path = write(name, sine(16_000), format=format, subtype=subtype)
    whole = path.read_bytes()
    assert len(heard(path, 16_000)) == 8_000
    for left in (len(whole) - 1, len(whole) - 2_000, len(whole) // 2):
        path.write_bytes(whole[:left])
        with pytest.raises(BadClipError, match=r"is truncated"):
            heard(path, 16_000)


def test_what_no_reader_knows_names_both_and_a_way_out(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(wav(PCM.tobytes(), 36 + 2 * len(PCM), 2 * len(PCM), tag=0x1234))
    with pytest.raises(
        BadClipError, match=r"soundfile: .*; PyAV: .*ffmpeg -i a\.wav -ar 16000 -ac 1 out\.wav"
    ):
        heard(path, 16_000)


def test_an_exception_of_any_kind_is_the_files(write, sine, monkeypatch):
    def broken(*_):
        raise KeyError("inside")

    path = write("a.wav", sine(16_000))
    monkeypatch.setattr("calm_pl.media.sound.soundfile_blocks", broken)
    assert len(heard(path, 16_000)) == 8_000  # PyAV can
    monkeypatch.setattr("calm_pl.media.sound.pyav_blocks", broken)
    with pytest.raises(BadClipError, match=r"soundfile: KeyError: 'inside'; PyAV: KeyError: 'inside'"):
        heard(path, 16_000)


def test_the_containers_default_track_is_taken(sine, tmp_path):
    import av

    path = tmp_path / "a.mkv"
    tone = np.rint(8_000 * sine(16_000, 1.0)).astype(np.int16)[None]
    with av.open(str(path), "w") as container:
        tracks = [container.add_stream("pcm_s16le", rate=16_000, layout="mono") for _ in range(2)]
        tracks[1].disposition = av.stream.Disposition.default.value  # PyAV 16 takes integers only
        for track, block in zip(tracks, (np.zeros_like(tone), tone), strict=True):
            frame = av.AudioFrame.from_ndarray(block, format="s16", layout="mono")
            frame.sample_rate = 16_000
            container.mux(track.encode(frame))
            container.mux(track.encode())
    np.testing.assert_allclose(heard(path, 16_000), tone[0] / 32_768)


def test_a_packet_that_goes_on_in_a_page_that_is_not_there_is_refused(tmp_path):
    path = tmp_path / "a.ogg"
    whole = ogg_page(b"first", 2, 0, 0) + ogg_page(bytes(254), 0, -1, 1)
    assert links_of(whole) == ([(0, len(whole))], None, False)
    path.write_bytes(ogg_page(b"first", 2, 0, 0) + ogg_page(bytes(255), 0, -1, 1, going_on=True))
    with pytest.raises(BadClipError, match=r"is truncated: its last page is missing"):
        heard(path, 44_100)


def test_the_page_on_own_data_names_every_suffix():
    page = (Path(__file__).parents[2] / "docs" / "own-data.md").read_text()
    assert [suffix for suffix in MEDIA_SUFFIXES if f"`{suffix}`" not in page] == []
    assert len(set(MEDIA_SUFFIXES)) == len(MEDIA_SUFFIXES)
