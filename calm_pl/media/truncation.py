"""Tell a truncated file from a short one: decoders silently read what is left of many formats."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

from calm_pl.errors import BadClipError

_BYTE_ORDER = {b"RIFF": "<", b"RIFX": ">", b"RF64": "<"}
_BOXES = {
    b"ftyp",
    b"moov",
    b"mdat",
    b"moof",
    b"mfra",
    b"sidx",
    b"styp",
    b"meta",
    b"uuid",
    b"wide",
    b"free",
    b"skip",
}
_EBML = b"\x1a\x45\xdf\xa3"
_MATROSKA_SEGMENT = b"\x18\x53\x80\x67"
_OGG_LAST_PAGE = 0x04
_OGG_LARGEST_PAGE = 65_307
# What writers to a pipe leave in the header: most, SoX, and others that stop at 2 GiB.
_UNKNOWN_SIZES = (0xFFFFFFFF, 0x7FFFF000, 0x7FFFFFFF, 0x80000000)


def refuse_truncated(path: Path, container: str | None) -> None:
    """Raise if a file was cut off.

    Raises:
        BadClipError: it was, or cannot be read.
    """
    try:
        fault = truncation_fault(path, container)
    except OSError as error:
        raise BadClipError(f"{path}: cannot be read: {error.strerror or error}.") from error
    if fault:
        raise BadClipError(f"{path}: is truncated: {fault}.")


def truncation_fault(path: Path, container: str | None) -> str | None:
    """Return the evidence that a file was truncated; None if there is none, or the format has none.

    Judged are WAV, AIFF and Ogg files and, by the name that `identify` gave, the containers mov (the MP4
    family), matroska (WebM too) and avi.
    """
    if container == "mov":
        return _box_fault(path)
    if container == "matroska":
        return _matroska_fault(path)
    with path.open("rb") as file:
        head = file.read(12)
        if container == "avi":
            return _missing(struct.unpack("<I", head[4:8])[0], path.stat().st_size - 8)
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


def _missing(promised: int, left: int) -> str | None:
    return f"its header promises {promised} bytes, {left} are there" if promised > left else None


def _box_fault(path: Path) -> str | None:
    """Walk the outer boxes of an MP4 or QuickTime file (ISO/IEC 14496-12): all whole, one the index."""
    size = path.stat().st_size
    has_index = False
    with path.open("rb") as file:
        while len(header := file.read(8)) == 8:
            start = file.tell() - 8
            length, name = struct.unpack(">I4s", header)
            if name not in _BOXES:
                break  # writers leave padding behind the last box
            has_index |= name == b"moov"
            if length == 1 and len(large := file.read(8)) == 8:
                length = struct.unpack(">Q", large)[0]
            if length == 0:  # until the end of the file
                break
            fault = _missing(length, size - start)
            if fault:
                return fault
            file.seek(start + max(length, 8))
    return None if has_index else "it has no index (no moov box)"


def _matroska_fault(path: Path) -> str | None:
    """Compare the size of the one segment (RFC 8794, RFC 9559) with the bytes that follow."""
    with path.open("rb") as file:
        file.seek(len(_EBML))
        header_size, _ = _ebml_size(file)
        file.seek(header_size, 1)
        if file.read(4) != _MATROSKA_SEGMENT:
            return "it has no samples (no segment)"
        length, unknown = _ebml_size(file)
        # A live stream, or one written to a pipe, does not know its size.
        return None if unknown else _missing(length, path.stat().st_size - file.tell())


def _ebml_size(file: BinaryIO) -> tuple[int, bool]:
    """Return a variable-length size, and whether it stands for "unknown" (all bits set)."""
    first = (file.read(1) or b"\x01")[0]
    more = 8 - first.bit_length()
    size = int.from_bytes(bytes([first & 0x7F >> more]) + file.read(more), "big")
    return size, size == 2 ** (7 * (more + 1)) - 1
