"""Ogg files (RFC 3533), from their pages: chained streams, and whether all pages are whole."""

from __future__ import annotations

import zlib
from typing import NamedTuple

_FIRST, _LAST = 0x02, 0x04
_HEADER = 27
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class Links(NamedTuple):
    """The links of a chain; most files have one.

    Attributes:
        spans: first byte of each, and the byte behind it.
        fault: what shows that the file is damaged or was cut off; None where nothing does.
        ended: whether the last page is marked as the last. Streams and recordings of them lack that mark, and
            so does a file that was cut exactly between two pages and two packets.
    """

    spans: list[tuple[int, int]]
    fault: str | None
    ended: bool


def links_of(content: bytes) -> Links:
    """Step from page to page: a link begins with first pages behind pages that are none.

    Bytes between pages are stepped over, as decoders do.
    """
    starts: list[int] = []
    numbers: dict[bytes, int] = {}  # of the last page of each stream
    flags, lacing, first, end = 0, b"", False, 0
    while (at := content.find(b"OggS", end)) >= 0:
        lacing = content[at + _HEADER : at + _HEADER + content[at + 26]] if at + 26 < len(content) else b""
        end = at + _HEADER + len(lacing) + sum(lacing)
        if at + 26 >= len(content) or len(lacing) < content[at + 26] or end > len(content):
            return Links([], "is truncated: its last page is cut", False)
        if _checksum(content[at:end]) != int.from_bytes(content[at + 22 : at + 26], "little"):
            return Links([], f"is damaged: the checksum of the page at byte {at} is wrong", False)
        flags, stream = content[at + 5], content[at + 14 : at + 18]
        number = int.from_bytes(content[at + 18 : at + 22], "little")
        if not flags & _FIRST and stream in numbers and number != numbers[stream] + 1:
            return Links([], f"is damaged: pages in front of byte {at} are missing", False)
        numbers[stream] = number
        if flags & _FIRST and not first:
            starts.append(at)
        first = bool(flags & _FIRST)
    ended, rest = bool(flags & _LAST), content[end:]
    if first:
        return Links([], "is truncated: it has no samples (nothing behind its header)", False)
    if not ended and rest and b"OggS".startswith(rest):
        return Links([], "is truncated: its last page is cut", False)
    if not ended and lacing[-1:] == b"\xff":  # the packet goes on
        return Links([], "is truncated: its last page is missing", False)
    starts = starts or [0]
    return Links(list(zip(starts, [*starts[1:], len(content)], strict=True)), None, ended)


def _checksum(page: bytes) -> int:
    """Return a page's CRC-32: by zlib, which takes bits from the other end than Ogg does."""
    turned = (page[:22] + bytes(4) + page[26:]).translate(_REVERSED)
    return int(f"{zlib.crc32(turned, 0xFFFFFFFF) ^ 0xFFFFFFFF:032b}"[::-1], 2)
