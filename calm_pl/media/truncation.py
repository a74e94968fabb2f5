"""Tell a cut-off file from a short one: libsndfile reads what is left of a WAV or Ogg file without a word."""

from __future__ import annotations

import struct
from pathlib import Path

_OGG_LAST_PAGE = 0x04
_OGG_LARGEST_PAGE = 65_307
_UNKNOWN_SIZE = 0xFFFFFFFF  # what a writer to a pipe leaves in the header


def truncation_fault(path: Path) -> str | None:
    """What shows that a WAV or Ogg file was cut off; None where nothing does, or for other formats."""
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] == b"RIFF" and head[8:] == b"WAVE":
            return _wav_fault(path)
        if head[:4] == b"OggS":
            return _ogg_fault(path)
    return None


def _wav_fault(path: Path) -> str | None:
    """Walk the chunks to `data` and compare its declared size with the bytes that follow."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(12)
        while len(header := file.read(8)) == 8:
            name, length = struct.unpack("<4sI", header)
            if name == b"data":
                left = size - file.tell()
                if length != _UNKNOWN_SIZE and length > left:
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
