"""Containers made on the spot with PyAV: every frame tells its number, the sound is what it is given."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

_BITS = 8


def numbered(number: int, height: int, width: int) -> np.ndarray:
    """An RGB frame (H, W, 3) whose bars, dark or light, are the bits of `number`."""
    bars = np.arange(width) * _BITS // width
    light = (number >> bars) & 1
    pixels_HWC = np.full((height, width, 3), 30, np.uint8)
    pixels_HWC[:, light == 1] = 220
    pixels_HWC[: height // 3] //= 2  # so that top and bottom differ
    return pixels_HWC


def numbers(pixels_THWC: np.ndarray) -> list[int]:
    """The numbers of frames that `numbered` made, after any scaling."""
    width = pixels_THWC.shape[2]
    columns = [(2 * bit + 1) * width // (2 * _BITS) for bit in range(_BITS)]
    light_TB = pixels_THWC[:, -3, columns].mean(-1) > 125
    return [sum(int(on) << bit for bit, on in enumerate(row)) for row in light_TB]


def write_video(
    path: Path,
    frames: int = 50,
    fps: int = 25,
    size: tuple[int, int] = (64, 96),
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    times: Sequence[float] | None = None,
    pix_fmt: str = "yuv420p",
    format: str | None = None,
    sound: np.ndarray | None = None,
) -> Path:
    """A video of `numbered` frames, at `times` in seconds or steadily; with AAC `sound` (N,) at 16 kHz."""
    with av.open(str(path), "w", format=format) as container:
        stream = container.add_stream(codec, rate=fps, options=options or {})
        stream.height, stream.width, stream.pix_fmt = *size, pix_fmt
        stream.codec_context.thread_count = 1
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        track = container.add_stream("aac", rate=16_000, layout="mono") if sound is not None else None
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(numbered(number, *size), format="rgb24")
            frame.pts = number if times is None else round(1000 * times[number])
            frame.time_base = Fraction(1, fps if times is None else 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if track is not None:
            _encode_sound(container, track, sound[:, None], 16_000, "fltp")
    return path


def write_sound(
    path: Path,
    samples: np.ndarray,
    rate: int = 16_000,
    codec: str = "aac",
    sample_format: str = "fltp",
    format: str | None = None,
    options: dict[str, str] | None = None,
    muxing: dict[str, str] | None = None,
) -> Path:
    """A container with one sound track of `samples` (N,) or (N, channels), as the encoder takes them."""
    samples_NC = samples if samples.ndim == 2 else samples[:, None]
    with av.open(str(path), "w", format=format, options=muxing or {}) as container:
        layout = {1: "mono", 2: "stereo", 6: "5.1"}[samples_NC.shape[1]]
        track = container.add_stream(
            codec, rate=rate, layout=layout, format=sample_format, options=options or {}
        )
        _encode_sound(container, track, samples_NC, rate, sample_format)
    return path


def _encode_sound(container, track, samples_NC, rate, sample_format):
    planar = sample_format.endswith("p")
    step = track.codec_context.frame_size or 1024
    for first in range(0, len(samples_NC), step):
        block_CN = samples_NC[first : first + step].T
        block = block_CN if planar else block_CN.T.reshape(1, -1)
        dtype = {"flt": np.float32, "dbl": np.float64, "s16": np.int16, "s32": np.int32, "u8": np.uint8}
        block = np.ascontiguousarray(block, dtype[sample_format.removesuffix("p")])
        frame = av.AudioFrame.from_ndarray(block, format=sample_format, layout=track.layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, first, Fraction(1, rate)
        container.mux(track.encode(frame))
    container.mux(track.encode())


def turn(path: Path, degrees: int) -> None:
    """Set the display matrix of an MP4's first track: shown turned clockwise by `degrees`."""
    sine, cosine = {0: (0, 1), 90: (1, 0), 180: (0, -1), 270: (-1, 0), 45: (0.7071, 0.7071)}[degrees]
    matrix = [cosine, sine, 0, -sine, cosine, 0, 0, 0, 2**14]
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 44
    content[place : place + 36] = struct.pack(">9i", *(round(65_536 * value) for value in matrix))
    path.write_bytes(content)


def hide_start(path: Path, media_time: int) -> None:
    """Let an MP4's first edit list show its track from `media_time` on, in units of the track's clock."""
    content = bytearray(path.read_bytes())
    place = content.index(b"elst") + 16
    content[place : place + 4] = struct.pack(">i", media_time)
    path.write_bytes(content)
