"""MPEG audio (MP3, MP2): where its streams lie, from their frames. A stated length may be a guess."""

from __future__ import annotations

import functools
import re
from typing import NamedTuple

_KBITS = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_HERTZ = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_SAME = 0xFFFE0C00  # sync, version, layer and rate stay the same from frame to frame
_ZEROS = re.compile(rb"\0+")
_IN_A_ROW = 3  # frames that tell a stream from bytes that look like a header


class Stream(NamedTuple):
    """One stream of frames.

    Attributes:
        start: its first byte.
        stop: behind its last whole frame.
        counted: frames with sound.
        stated: how many its Xing, Info or VBRI header promises; None without one.
    """

    start: int
    stop: int
    counted: int
    stated: int | None


class Streams(NamedTuple):
    """The streams of a file.

    Attributes:
        streams: in their order; several where files were joined.
        fault: what shows that something is missing or damaged; None where nothing does.
    """

    streams: list[Stream]
    fault: str | None


def streams_of(content: bytes) -> Streams:
    """Follow the frames of a file from the first to the last, over tags and padding.

    Bytes in front of the first frame and behind the last are no fault, as in a recording of a broadcast.
    """
    found: list[Stream] = []
    at = _first_frame(content, _behind_tags(content, 0))
    while at is not None:
        stream = _follow(content, at)
        found.append(stream)
        if stream.stated is not None and stream.counted < stream.stated - 1:  # some count the header itself
            return Streams(
                found, f"is truncated: its header promises {stream.stated} frames, {stream.counted} are there"
            )
        behind = _behind_tags(content, stream.stop)
        if _starts_frame(content, stream.stop, content[at : at + 4]):
            return Streams(found, "is truncated: its last frame is cut")
        at = _first_frame(content, behind)
        if at is not None and at != behind:
            return Streams(found, f"is damaged: {at - behind} bytes at {behind} are no frames")
    return Streams(found, None)


@functools.cache
def _length(header: int) -> int:
    """Return the bytes of a frame; 0 if this is no header, or one of a free bit rate."""
    version, layer, kbits, hertz = (
        header >> 19 & 3,
        4 - (header >> 17 & 3),
        header >> 12 & 15,
        header >> 10 & 3,
    )
    if header >> 21 != 0x7FF or version == 1 or layer == 4 or kbits in (0, 15) or hertz == 3:
        return 0
    bits = 1000 * _KBITS[1 if version == 3 else 2, layer][kbits - 1]
    rate, padding = _HERTZ[version][hertz], header >> 9 & 1
    if layer == 1:
        return 4 * (12 * bits // rate + padding)
    return (72 if layer == 3 and version != 3 else 144) * bits // rate + padding


def _header(content: bytes, at: int) -> int:
    """Return the four bytes of a header without the bits that tell nothing of a frame's length."""
    return int.from_bytes(content[at : at + 4], "big") & 0xFFFEFE00


def _first_frame(content: bytes, start: int) -> int | None:
    """Find where a stream begins: at `start`, or at the next place where several frames follow each other."""
    length = _length(_header(content, start))
    if length and start + length <= len(content):
        return start
    at = content.find(b"\xff", start)
    while at >= 0:
        if _frames_follow(content, at):
            return at
        at = content.find(b"\xff", at + 1)
    return None


def _frames_follow(content: bytes, start: int) -> bool:
    """Return whether several whole frames of one kind lie here, or as many as there is room for."""
    kind, at = _header(content, start) & _SAME, start
    for _ in range(_IN_A_ROW):
        header = _header(content, at)
        length = _length(header) if header & _SAME == kind else 0
        at += length
        if not length or at >= len(content):
            break
    return bool(length) and at <= len(content)


def _follow(content: bytes, start: int) -> Stream:
    """Return the stream that begins with the frame at `start`."""
    kind = _header(content, start) & _SAME
    has_header, stated = _stated(content, start)
    at, count, end = start, 0, len(content)
    while at + 4 <= end:
        header = _header(content, at)
        length = _length(header) if header & _SAME == kind else 0
        if not length or at + length > end or (count and _is_counted(content, at)):
            break
        at += length
        count += 1
    return Stream(start, at, count - has_header, stated)


def _starts_frame(content: bytes, at: int, like: bytes) -> bool:
    """Return whether a frame of the same kind begins here that is longer than the rest of the file."""
    header = _header(content, at)
    return header & _SAME == _header(like, 0) & _SAME and at + _length(header) > len(content)


def _is_counted(content: bytes, at: int) -> bool:
    return content[at + _side(content, at) :][:4] in (b"Xing", b"Info")


def _side(content: bytes, at: int) -> int:
    """Return the bytes of a Layer III frame in front of a Xing header: header and side information."""
    first, mono = content[at + 1] >> 3 & 1, content[at + 3] >> 6 == 3
    return 4 + ((17 if mono else 32) if first else (9 if mono else 17))


def _stated(content: bytes, at: int) -> tuple[bool, int | None]:
    """Return whether a stream's first frame is a header without sound, and how many frames it states."""
    if _is_counted(content, at):
        place = at + _side(content, at)
        stated = content[place + 7] & 1 and int.from_bytes(content[place + 8 : place + 12], "big")
        return True, stated or None  # 0: written to a pipe
    if content[at + 36 : at + 40] == b"VBRI":
        return True, int.from_bytes(content[at + 50 : at + 54], "big") or None
    return False, None


def _behind_tags(content: bytes, at: int) -> int:
    """Return the first byte behind tags (ID3, APE, Lyrics3) and zeros."""
    while at < len(content):
        if content.startswith(b"ID3", at) and at + 10 <= len(content):
            at += id3_length(content[at : at + 10])
        elif content.startswith(b"TAG", at):
            at += 128
        elif content.startswith(b"APETAGEX", at):
            size, flags = (int.from_bytes(content[at + k : at + k + 4], "little") for k in (12, 20))
            at += 32 + (size if flags >> 29 & 1 else 0)  # a footer without its header stands behind its tag
        elif content.startswith(b"LYRICSBEGIN", at) and (end := content.find(b"LYRICS200", at)) > 0:
            at = end + 9
        elif (zeros := _ZEROS.match(content, at)) is not None:
            at = zeros.end()
        else:
            break
    return min(at, len(content))


def id3_length(head: bytes) -> int:
    """Return the length of an ID3v2 tag, from its first ten bytes."""
    size = functools.reduce(lambda total, byte: total << 7 | byte & 0x7F, head[6:10], 0)
    return 10 + size + (10 if head[5] & 0x10 else 0)
