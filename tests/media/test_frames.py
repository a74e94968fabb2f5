"""Frames of videos: the right ones, upright, no larger than asked, the same from decord and from PyAV."""

import sys

import numpy as np
import pytest
from container_files import hide_start, numbered, numbers, turn

from calm_pl.media import FrameRule, load_frames
from calm_pl.media.video import read_frames

pytest_plugins = ["sound_files", "container_fixtures"]

BIG = 10_000
ALL = FrameRule(num_frames=200, max_frames=200, short_side=BIG)
OPEN_GOP = {"x265-params": "log-level=none:keyint=10:bframes=4:open-gop=1:pools=none:frame-threads=1"}
CONTAINERS = [
    ("a.mp4", {}),
    ("a.mp4", {"options": {"g": "10", "bf": "3"}}),
    ("a.mp4", {"options": {"x264-params": "open-gop=1:keyint=10:bframes=3"}}),
    ("a.mp4", {"codec": "libx265", "options": OPEN_GOP}),
    ("a.mp4", {"options": {"movflags": "frag_keyframe+empty_moov", "g": "10"}}),
    ("a.mp4", {"codec": "mpeg4"}),
    ("a.mov", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
    ("a.mkv", {"options": {"g": "12"}}),
    ("a.webm", {"codec": "libvpx", "options": {"g": "12", "deadline": "realtime"}}),
    (
        "a.webm",
        {"codec": "libvpx-vp9", "options": {"auto-alt-ref": "1", "lag-in-frames": "16", "cpu-used": "8"}},
    ),
    ("a.mp4", {"options": {"x264-params": "interlaced=1:keyint=10"}}),
    ("a.mp4", {"pix_fmt": "yuv420p10le"}),
    (
        "a.mkv",
        {"pix_fmt": "yuv444p", "codec": "libx265", "options": {"x265-params": "log-level=none:bframes=0"}},
    ),
    ("a.avi", {"codec": "mpeg4", "options": {"bf": "2", "g": "12"}}),
    ("a.avi", {"options": {"g": "12"}}),
    ("a.ts", {"options": {"g": "12"}}),
    ("a.flv", {"codec": "flv"}),
    ("a.wmv", {"codec": "wmv2"}),
    ("a.mpg", {"codec": "mpeg1video", "options": {"bf": "2", "g": "12"}}),
]


@pytest.mark.parametrize(("name", "how"), CONTAINERS)
def test_every_frame_comes_once_and_in_order(video, name, how):
    path = video(name, **how)
    for use_decord in (True, False):
        pixels_THWC, fps = read_frames(path, ALL, None, use_decord)
        assert numbers(pixels_THWC) == list(range(50))
        assert pixels_THWC.dtype == np.uint8
        assert pixels_THWC.shape == (50, 64, 96, 3)
        assert fps == pytest.approx(25, rel=0.01)


@pytest.mark.parametrize(("name", "how"), CONTAINERS)
@pytest.mark.parametrize("num_frames", [1, 3, 8])
def test_decord_and_pyav_give_equal_frames(video, name, how, num_frames):
    path = video(name, **how)
    rule = FrameRule(num_frames=num_frames, short_side=48)
    ours, theirs = (read_frames(path, rule, None, use_decord) for use_decord in (True, False))
    np.testing.assert_array_equal(ours.pixels_THWC, theirs.pixels_THWC)
    assert ours.fps == theirs.fps == pytest.approx(num_frames / 2, rel=0.01)
    # The middles of n parts of 50 frames
    assert numbers(ours.pixels_THWC) == [int((k + 0.5) * 50 / num_frames) for k in range(num_frames)]


def test_decord_is_what_reads_where_it_may(video, monkeypatch):
    decord = pytest.importorskip("decord")
    opened = []
    real = decord.VideoReader
    monkeypatch.setattr(decord, "VideoReader", lambda *args, **how: opened.append(args) or real(*args, **how))
    path = video("a.mp4")
    load_frames(path, FrameRule(num_frames=2))
    assert opened == [(str(path),)]
    load_frames(video("b.avi", codec="mpeg4"), FrameRule(num_frames=2))
    assert len(opened) == 1  # it numbers such frames wrongly


@pytest.mark.parametrize("fault", ["missing", "refuses", "miscounts"])
def test_without_decord_the_frames_are_the_same(video, monkeypatch, fault):
    path = video("a.mp4", options={"g": "10"})
    rule = FrameRule(num_frames=5)
    expected = load_frames(path, rule)
    if fault == "missing":
        monkeypatch.setitem(sys.modules, "decord", None)
    else:
        decord = pytest.importorskip("decord")

        def reader(*_, **__):
            if fault == "refuses":
                raise decord.DECORDError("no")
            return np.zeros((49, 64, 96, 3))

        monkeypatch.setattr(decord, "VideoReader", reader)
    np.testing.assert_array_equal(load_frames(path, rule).pixels_THWC, expected.pixels_THWC)


def test_colours_are_those_that_were_stored(video):
    frames = load_frames(video("a.mp4", options={"crf": "1"}), FrameRule(num_frames=50, short_side=BIG))
    expected = np.stack([numbered(n, 64, 96) for n in range(50)])
    assert np.abs(frames.pixels_THWC.astype(int) - expected).mean() < 3


@pytest.mark.parametrize(("fps", "expected"), [(1, [12, 37]), (2.5, [5, 15, 25, 35, 45]), (0.01, [25])])
def test_frames_a_second(video, fps, expected):
    frames = load_frames(video(), FrameRule(fps=fps))
    assert numbers(frames.pixels_THWC) == expected
    assert frames.fps == pytest.approx(len(expected) / 2)


def test_no_more_than_max_frames(video):
    frames = load_frames(video(), FrameRule(fps=25, max_frames=5))
    assert numbers(frames.pixels_THWC) == [5, 15, 25, 35, 45]
    assert len(load_frames(video(), FrameRule(num_frames=9, max_frames=4)).pixels_THWC) == 4


def test_only_the_first_seconds(video):
    path = video()
    frames = load_frames(path, FrameRule(num_frames=2), seconds=0.8)
    assert numbers(frames.pixels_THWC) == [5, 15]
    assert frames.fps == pytest.approx(2 / 0.8)
    whole = load_frames(path, FrameRule(num_frames=2), seconds=99)
    assert numbers(whole.pixels_THWC) == [12, 37]
    assert whole.fps == pytest.approx(1)


@pytest.mark.parametrize("use_decord", [True, False])
def test_a_changing_rate_is_sampled_evenly_in_time(video, use_decord):
    # 20 frames in the first second, then one each half second: by number most would lie in the first.
    times = [k / 20 for k in range(20)] + [1 + k / 2 for k in range(6)]
    path = video("a.mkv", frames=26, times=times, options={"bf": "0"})
    frames = read_frames(path, FrameRule(num_frames=7), 3.5, use_decord)
    assert frames.fps == 2
    assert numbers(frames.pixels_THWC) == [5, 15, 20, 21, 22, 23, 24]  # on screen at 0.25, 0.75, 1.25 ...


@pytest.mark.parametrize("use_decord", [True, False])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_turned_recordings_come_upright(video, degrees, use_decord):
    path = video("a.mp4", frames=10)
    stored = read_frames(path, ALL, None, use_decord).pixels_THWC
    turn(path, degrees)
    read = read_frames(path, ALL, None, use_decord).pixels_THWC
    np.testing.assert_array_equal(read, np.rot90(stored, -degrees // 90, axes=(1, 2)))


def test_frames_that_an_edit_list_hides_do_not_count(video):
    path = video("a.mp4", options={"g": "25", "bf": "2"})
    plain = load_frames(path, ALL)
    with_all = numbers(plain.pixels_THWC)
    assert with_all == list(range(50))
    # The clock of 25 fps MP4 runs at 12,800; two frames of delay stand before the first shown one.
    hide_start(path, 512 * (2 + 7))
    for use_decord in (True, False):
        assert numbers(read_frames(path, ALL, None, use_decord).pixels_THWC) == list(range(7, 50))


@pytest.mark.parametrize("bf", ["0", "3"])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_frames_far_into_a_clip_are_found_by_seeking(video, name, bf):
    path = video(name, frames=250, size=(32, 64), options={"g": "20", "bf": bf})
    rule = FrameRule(num_frames=7, short_side=BIG)
    expected = [int((k + 0.5) * 250 / 7) for k in range(7)]
    for use_decord in (True, False):
        assert numbers(read_frames(path, rule, None, use_decord).pixels_THWC) == expected


@pytest.mark.parametrize(
    ("size", "short_side", "expected"),
    [
        ((64, 96), 32, (32, 48)),
        ((96, 64), 32, (48, 32)),
        ((64, 96), 64, (64, 96)),
        ((64, 96), 500, (64, 96)),
        ((64, 96), 31, (30, 46)),
    ],
)
def test_the_short_side_is_limited_and_nothing_enlarged(video, size, short_side, expected):
    rule = FrameRule(num_frames=2, short_side=short_side)
    frames = load_frames(video(size=size, frames=4), rule)
    assert frames.pixels_THWC.shape == (2, *expected, 3)


def test_a_single_frame_is_a_clip(video):
    frames = load_frames(video(frames=1), FrameRule(num_frames=8))
    assert numbers(frames.pixels_THWC) == [0]


def test_a_cover_image_is_no_video_but_hides_none(video, sine, tmp_path):
    path = video("a.mp4", sound=sine(16_000, 2.0))
    assert numbers(load_frames(path, FrameRule(num_frames=1)).pixels_THWC) == [25]


def test_a_length_that_is_none_is_refused(video):
    with pytest.raises(ValueError, match=r"`seconds` to be above 0, but got 0"):
        load_frames(video(), FrameRule(num_frames=1), seconds=0)
