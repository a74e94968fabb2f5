"""Which frames are taken and how they are made smaller, against worked values and slow loops."""

import numpy as np
import pytest

from calm_pl.media import FrameRule
from calm_pl.media.frame_rule import pick, shrunk_size
from calm_pl.media.shrink import shrink

STEADY_F = np.arange(100) / 25  # 4 s


@pytest.mark.parametrize(
    ("rule", "seconds", "positions", "fps"),
    [
        (FrameRule(num_frames=1), None, [50], 0.25),
        (FrameRule(num_frames=2), None, [25, 75], 0.5),
        (FrameRule(num_frames=4), None, [12, 37, 62, 87], 1),
        (FrameRule(fps=1), None, [12, 37, 62, 87], 1),
        (FrameRule(fps=1, max_frames=2), None, [25, 75], 0.5),
        (FrameRule(fps=0.1), None, [50], 0.25),
        (FrameRule(num_frames=2), 2.0, [12, 37], 1),
        (FrameRule(num_frames=2), 99.0, [25, 75], 0.5),
        (FrameRule(num_frames=8), 0.1, [0, 1, 2], 30),  # three frames appear before 0.1 s
        (FrameRule(num_frames=8), 0.001, [0], 1000),
    ],
)
def test_positions_worked_by_hand(rule, seconds, positions, fps):
    found, found_fps = pick(STEADY_F, 4.0, rule, seconds)
    assert found == positions
    assert found_fps == pytest.approx(fps)


@pytest.mark.parametrize("num_frames", [100, 1_000])
def test_more_than_there_are_gives_each_once(num_frames):
    found, fps = pick(STEADY_F, 4.0, FrameRule(num_frames=num_frames, max_frames=1_000), None)
    assert found == list(range(100))
    assert fps == 25


def test_times_rounded_to_milliseconds_pick_the_same():
    rounded_F = np.round(np.arange(300) / 29.97, 3)
    for n in (
        1,
        2,
        3,
        4,
        5,
        6,
        8,
        10,
        12,
        15,
        20,
        25,
        30,
        50,
        60,
    ):  # middles that lie between frames or on them
        exact = pick(np.arange(300) / 29.97, 300 / 29.97, FrameRule(num_frames=n), None)[0]
        assert pick(rounded_F, 300 / 29.97, FrameRule(num_frames=n), None)[0] == exact


def test_a_frame_that_stays_long_comes_several_times():
    assert pick(np.array([0, 0.1, 0.2, 0.3, 0.4]), 4.0, FrameRule(num_frames=4), None)[0] == [4, 4, 4, 4]


@pytest.mark.parametrize(
    ("how", "match"),
    [
        ({}, "either `num_frames` or `fps`, but got None and None"),
        ({"num_frames": 1, "fps": 1.0}, "either `num_frames` or `fps`, but got 1 and 1.0"),
        ({"num_frames": 0}, "`num_frames` to be 1 or more, but got 0"),
        ({"fps": 0.0}, "`fps` to be finite and above 0, but got 0.0"),
        ({"fps": float("nan")}, "`fps` to be finite and above 0, but got nan"),
        ({"num_frames": 1, "max_frames": 0}, "`max_frames` to be 1 or more, but got 0"),
        ({"num_frames": 1, "short_side": 1}, "`short_side` to be 2 or more, but got 1"),
    ],
)
def test_rules_that_cannot_hold_are_refused(how, match):
    with pytest.raises(ValueError, match=match):
        FrameRule(**how)


@pytest.mark.parametrize(
    ("height", "width", "short_side", "expected"),
    [
        (720, 1280, 360, (360, 640)),
        (1280, 720, 360, (640, 360)),
        (1080, 1920, 448, (448, 796)),
        (241, 321, 500, (240, 320)),
        (241, 321, 240, (240, 320)),
        (100, 100, 99, (98, 98)),
        (2, 5_000, 2, (2, 5_000)),
        (1, 7, 4, (2, 6)),
    ],
)
def test_sizes_worked_by_hand(height, width, short_side, expected):
    assert shrunk_size(height, width, short_side) == expected


def test_sizes_keep_their_promises():
    rng = np.random.default_rng(0)
    for height, width, short_side in rng.integers(2, 2_000, (500, 3)).tolist():
        new_height, new_width = shrunk_size(height, width, short_side)
        assert new_height % 2 == new_width % 2 == 0
        assert new_height <= height
        assert new_width <= width
        assert min(new_height, new_width) <= short_side
        scale = min(1, short_side / min(height, width))
        assert abs(new_height - height * scale) <= 2
        assert abs(new_width - width * scale) <= 2


def slowly_shrunk(line: list[float], length: int) -> list[float]:
    """Triangle-weighted means of one line, by loops."""
    scale = len(line) / length
    out = []
    for n in range(length):
        total = weight_sum = 0.0
        for place, value in enumerate(line):
            distance = abs(place + 0.5 - (n + 0.5) * scale) / scale
            weight = max(0.0, 1.0 - distance)
            total += weight * value
            weight_sum += weight
        out.append(total / weight_sum)
    return out


@pytest.mark.parametrize(("height", "width"), [(6, 8), (7, 4), (13, 2), (5, 16), (13, 16), (2, 2)])
def test_shrinking_against_slow_loops(height, width):
    pixels_HWC = np.random.default_rng(0).integers(0, 256, (13, 16, 3), dtype=np.uint8)
    expected = np.empty((height, width, 3))
    for channel in range(3):
        columns = [slowly_shrunk(list(map(float, pixels_HWC[:, x, channel])), height) for x in range(16)]
        for y in range(height):
            expected[y, :, channel] = slowly_shrunk([column[y] for column in columns], width)
    read = shrink(pixels_HWC, height, width)
    assert read.dtype == np.uint8
    assert np.abs(read - expected).max() <= 0.501  # rounding


def test_an_even_picture_stays_even():
    assert (shrink(np.full((99, 77, 3), 201, np.uint8), 40, 30) == 201).all()
