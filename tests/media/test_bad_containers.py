"""A container that is none, or lacks what is asked for, gets one clear message that names the file."""

import os
import struct

import av
import numpy as np
import pytest
from container_files import turn

from calm_pl.errors import BadClipError
from calm_pl.media import FrameRule, load_audio, load_frames

pytest_plugins = ["sound_files", "container_fixtures"]

READERS = {
    "sound": lambda path: load_audio(path, 16_000, 30),
    "frames": lambda path: load_frames(path, FrameRule(num_frames=4)),
}


def refuse(path, match, what=("sound", "frames")) -> None:
    """Expect a BadClipError of one line that begins with the path."""
    for name in what:
        with pytest.raises(BadClipError, match=match) as caught:
            READERS[name](path)
        assert str(caught.value).startswith(f"{path}: ")
        assert "\n" not in str(caught.value)


PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
STRANGERS = [
    (b"<!DOCTYPE html><html>404 Not Found</html>", "HTML or XML"),
    (b"This video is no longer available.\n" * 20, "text"),
    (b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n", "text"),
    (b"ffconcat version 1.0\nfile /etc/passwd\n", "text"),
    (PNG, "a PNG image"),
    (b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(100), "a JPEG image"),
    (b"GIF89a" + bytes(100), "a GIF image"),
    (b"\x00\x00\x00\x1cftypavif" + bytes(100), "a HEIF or AVIF image"),
    (b"PK\x03\x04" + bytes(100), "a zip archive"),
]


@pytest.mark.parametrize(("content", "words"), STRANGERS, ids=[words for _, words in STRANGERS])
@pytest.mark.parametrize("suffix", ["mp4", "webm", "avi"])
def test_what_is_no_container_is_told_apart(tmp_path, content, words, suffix):
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(content)
    refuse(path, rf"that can be decoded \(it is {words}\)")


@pytest.mark.parametrize("suffix", ["mp4", "webm", "avi", "aac"])
def test_random_bytes(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(b"\x81" + np.random.default_rng(0).bytes(5_000))
    refuse(path, r"that can be decoded")


def test_an_empty_file(tmp_path):
    (tmp_path / "a.mp4").touch()
    refuse(tmp_path / "a.mp4", r"is empty \(0 bytes\)")


def test_what_is_no_file(tmp_path):
    refuse(tmp_path / "none.mp4", r"no such file")
    (tmp_path / "folder.mp4").mkdir()
    refuse(tmp_path / "folder.mp4", r"cannot be read: Is a directory")
    (tmp_path / "dangling.mp4").symlink_to(tmp_path / "none.mp4")
    refuse(tmp_path / "dangling.mp4", r"no such file")
    (tmp_path / "loop.mp4").symlink_to(tmp_path / "loop.mp4")
    refuse(tmp_path / "loop.mp4", r"cannot be read: Too many levels of symbolic links")


@pytest.mark.parametrize("suffix", ["mp4", "wav"])
def test_a_pipe_is_not_waited_for(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    os.mkfifo(path)
    refuse(path, r"cannot be read: a pipe, socket or device")


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("a.webm", "libvpx")])
def test_a_video_without_sound(video, name, codec):
    refuse(video(name, codec=codec, frames=5), r"has no sound track", ["sound"])


def test_sound_without_a_video(sound, write, sine):
    refuse(sound("a.mp4", sine(16_000)), r"has no video frames \(no video track\)", ["frames"])
    refuse(
        sound("a.webm", sine(48_000), rate=48_000, codec="libopus", sample_format="flt"),
        r"no video",
        ["frames"],
    )
    refuse(write("a.wav", sine(16_000)), r"is not a video that can be decoded", ["frames"])


def test_a_cover_image_is_no_video(tmp_path, sine):
    path = tmp_path / "a.mka"
    with av.open(str(path), "w", format="matroska") as container:
        track = container.add_stream("aac", rate=16_000, layout="mono")
        container.add_attachment("cover.png", "image/png", PNG)
        block = np.ascontiguousarray(sine(16_000)[None, :1024], np.float32)
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
        frame.sample_rate = 16_000
        container.mux(track.encode(frame))
        container.mux(track.encode())
    refuse(path, r"has no video frames", ["frames"])


def box(name: bytes, *parts: bytes) -> bytes:
    """An MP4 box."""
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), name) + body


def test_an_mp4_without_its_index(video, sine, tmp_path):
    whole = video("whole.mp4", frames=10, sound=sine(16_000)).read_bytes()
    index = whole.index(b"moov") - 4
    path = tmp_path / "a.mp4"
    path.write_bytes(whole[:index])
    refuse(path, r"is truncated: it has no index \(no moov box\)")


def test_an_mp4_with_an_index_of_nothing(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(box(b"ftyp", b"isom", bytes(4), b"isom") + box(b"moov", box(b"mvhd", bytes(100))))
    refuse(path, r"a\.mp4: ")


def test_tracks_of_no_length(video, sine):
    # An index whose sample tables count nothing.
    path = video("a.mp4", frames=5, sound=sine(16_000))
    content = bytearray(path.read_bytes())
    at = 0
    for name in (b"stts", b"stsz", b"stsc", b"stco", b"ctts", b"stss"):
        at = 0
        while (at := content.find(name, at)) >= 0:
            count = at + (12 if name == b"stsz" else 8)
            content[count : count + 4] = bytes(4)
            at += 4
    path.write_bytes(content)
    refuse(path, r"contains no samples", ["sound"])
    refuse(path, r"has no video frames", ["frames"])


WHOLE = [
    ("a.mp4", {}),
    ("a.mp4", {"options": {"movflags": "faststart"}}),
    ("a.mov", {}),
    ("a.mkv", {}),
    ("a.avi", {"codec": "mpeg4"}),
]


@pytest.mark.parametrize(("name", "how"), WHOLE)
def test_a_cut_anywhere_is_refused(video, sine, name, how):
    path = video(name, frames=20, sound=sine(16_000, 0.8), **how)
    whole = path.read_bytes()
    READERS["sound"](path)
    READERS["frames"](path)
    for left in sorted({*range(1, 60, 7), *(len(whole) * k // 12 for k in range(1, 12)), len(whole) - 1}):
        path.write_bytes(whole[:left])
        refuse(path, r"truncated|can be decoded|cannot be decoded")


def test_the_message_counts_what_is_missing(video, sine):
    path = video("a.mp4", frames=20, sound=sine(16_000))
    path.write_bytes(path.read_bytes()[:-10])
    refuse(path, r"is truncated: its header promises \d+ bytes, \d+ are there")


def test_padding_behind_the_last_box_is_no_fault(video, sine):
    path = video("a.mp4", frames=5, sound=sine(16_000))
    path.write_bytes(path.read_bytes() + b"\xff" * 999)
    READERS["sound"](path)
    assert len(READERS["frames"](path).pixels_THWC) == 4


def test_a_stream_written_to_a_pipe_is_whole(tmp_path, video, sine):
    path = video("a.mkv", frames=5, sound=sine(16_000))
    content = bytearray(path.read_bytes())
    size = content.index(b"\x18\x53\x80\x67") + 4
    content[size : size + 8] = b"\x01" + b"\xff" * 7
    path.write_bytes(content)
    READERS["sound"](path)
    assert len(READERS["frames"](path).pixels_THWC) == 4


def test_a_turn_that_is_no_quarter(video):
    path = video("a.mp4", frames=5)
    turn(path, 45)
    refuse(path, r"is turned by -?\d+ degrees, not by quarter turns", ["frames"])


def test_frames_that_change_their_size(video, tmp_path):
    small, large = video("s.ts", frames=5), video("l.ts", frames=5, size=(96, 128))
    path = tmp_path / "a.ts"
    path.write_bytes(small.read_bytes() + large.read_bytes())
    refuse(path, r"changes the size of its frames midway", ["frames"])


def test_samples_that_are_not_numbers(sound, sine):
    samples = sine(16_000)
    samples[100] = np.nan
    path = sound("a.mkv", samples, codec="pcm_f32le", sample_format="flt")
    refuse(path, r"holds samples that are NaN or infinite", ["sound"])


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi", "a.ts"])
def test_damaged_bytes_never_raise_anything_else(video, sine, name):
    rng = np.random.default_rng(0)
    path = video(name, frames=12, size=(32, 32), codec="mpeg4", sound=sine(16_000))
    whole = path.read_bytes()
    refusals = []
    for trial in range(40):
        content = bytearray(whole)
        for _ in range(1 + 20 * (trial % 2)):
            content[rng.integers(len(whole))] = rng.integers(256)
        path.write_bytes(content)
        for read in READERS.values():
            try:
                read(path)
            except BadClipError as error:
                refusals.append(str(error))
    assert refusals
    assert all(refusal.startswith(f"{path}: ") for refusal in refusals)
