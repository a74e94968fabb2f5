"""Tell a cut-off file from a short one: libsndfile reads what is left of many formats without a word."""

from __future__ import annotations

import struct
from pathlib import Path

_BYTE_ORDER = {b"RIFF": "<", b"RIFX": ">", b"RF64": "<"}
_OGG_LAST_PAGE = 0x04
_OGG_LARGEST_PAGE = 65_307
# What writers to a pipe leave in the header: most, SoX, and others that stop at 2 GiB.
_UNKNOWN_SIZES = (0xFFFFFFFF, 0x7FFFF000, 0x7FFFFFFF, 0x80000000)


def truncation_fault(path: Path) -> str | None:
    """What shows that a WAV, AIFF or Ogg file was cut off; None where nothing does, or for other formats."""
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] in _BYTE_ORDER and head[8:] == b"WAVE":
            return _chunk_fault(path, _BYTE_ORDER[head[:4]], b"data")
        if head[:4] == b"FORM" and head[8:] in (b"AIFF", b"AIFC"):
            return _chunk_fault(path, ">", b"SSND")
        if head[:4] == b"OggS":
            return _ogg_fault(path)
    return None


def _chunk_fault(path: Path, order: str, samples: bytes) -> str | None:
    """Walk the chunks to the samples and compare their declared size with the bytes that follow."""
    size = path.stat().st_size
    large = None  # RF64 keeps the size of `data` in a chunk of its own
    with path.open("rb") as file:
        file.seek(12)
        while len(header := file.read(8)) == 8:
            name, length = struct.unpack(f"{order}4sI", header)
            if name == b"ds64" and length >= 16 and len(sizes := file.read(16)) == 16:
                large = struct.unpack("<QQ", sizes)[1]
                file.seek(-16, 1)
            if name == samples:
                if length in _UNKNOWN_SIZES and large is not None:
                    length = large
                left = size - file.tell()
                if length not in _UNKNOWN_SIZES and length > left:
                    return f"its header promises {length} bytes of samples, {left} are there"
                return None
            file.seek(length + length % 2, 1)
    return "it has no samples (no data chunk)"


def _ogg_fault(path: Path) -> str | None:
    """Look at the last page: it must be whole and marked as the last of its stream."""
    with path.open("rb") as file:
        start = max(0, path.stat().st_size - _OGG_LARGEST_PAGE)
        file.seek(start)
        tail = file.read()
    page = tail.rfind(b"OggS")
    if page < 0 or len(tail) < page + 27:
        return "its last page is cut"
    segments = tail[page + 26]
    table = tail[page + 27 : page + 27 + segments]
    if len(table) < segments or len(tail) < page + 27 + segments + sum(table):
        return "its last page is cut"
    if not tail[page + 5] & _OGG_LAST_PAGE:
        return "its last page is missing"
    return None
