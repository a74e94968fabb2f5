"""Tell a truncated file from a short one: decoders silently read what is left of many formats."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import BinaryIO

from calm_pl.errors import BadClipError

_BYTE_ORDER = {b"RIFF": "<", b"RIFX": ">", b"RF64": "<"}
_BOXES_BEHIND = (
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
    b"moov",
)
_W64 = b"riff\x2e\x91\xcf\x11"
_EBML = b"\x1a\x45\xdf\xa3"
_MATROSKA_SEGMENT = b"\x18\x53\x80\x67"
# What writers to a pipe leave in a header: the largest size there is, less that of what stands before it.
_UNKNOWN_SIZES = (
    range(2_000_000_000 - 64, 2_000_000_000 + 1),
    range(0x7FFFF000, 0x80000000 + 64),
    range(0xFFFFF000, 0xFFFFFFFF + 1),
)


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

    Judged are WAV, W64, AIFF, AU and CAF files and, by the name that `identify` gave, the containers mov (the
    MP4 family), matroska (WebM too) and avi. Ogg and MP3 are judged where they are taken apart.
    """
    if container == "mov":
        return _box_fault(path)
    if container == "matroska":
        return _matroska_fault(path)
    with path.open("rb") as file:
        head = file.read(16)
        if container == "avi":
            return _missing(struct.unpack("<I", head[4:8])[0], path.stat().st_size - 8)
        if head[:4] in _BYTE_ORDER and head[8:12] == b"WAVE":
            return _chunk_fault(path, _BYTE_ORDER[head[:4]], b"data")
        if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
            return _chunk_fault(path, ">", b"SSND")
        if head[:4] == b".snd" and len(head) == 16:
            start, promised = struct.unpack(">II", head[4:12])
            left = path.stat().st_size - start
            return None if _is_unknown(promised) else _missing(promised, left, " of samples")
        if head.startswith(b"NIST_1A"):
            return _nist_fault(path)
        if head[:4] == b"caff":
            return _caf_fault(path)
        if head.startswith(_W64):
            return _w64_fault(path)
    return None


def lacks_size(path: Path) -> bool:
    """Return whether a WAV states the size 0 for samples that are there (it was written to a pipe)."""
    with path.open("rb") as file:
        order = _BYTE_ORDER[file.read(12)[:4]]
        found = _find_chunk(file, order, b"data")
        if found is None or found[0] != 0:
            return False
        rest = path.stat().st_size - file.tell()
        return rest > 0 and not _are_chunks(file, order, rest)


def _are_chunks(file: BinaryIO, order: str, rest: int) -> bool:
    """Return whether what follows is a row of chunks that fill the file."""
    while len(header := file.read(8)) == 8:
        name, length = struct.unpack(f"{order}4sI", header)
        rest -= 8 + length + length % 2
        if not name.isascii() or not name.decode().isprintable() or rest < -1:
            return False
        file.seek(length + length % 2, 1)
    return rest <= 0


def _chunk_fault(path: Path, order: str, samples: bytes) -> str | None:
    """Compare the size that the samples' chunk declares with the bytes that follow."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(12)
        found = _find_chunk(file, order, samples)
        if found is None:
            return f"it has no samples (no {samples.decode()} chunk)"
        length, large = found
        if _is_unknown(length) and large is not None:
            length = large
        left = size - file.tell()
        return None if _is_unknown(length) else _missing(length, left, " of samples")


def _find_chunk(file: BinaryIO, order: str, wanted: bytes) -> tuple[int, int | None] | None:
    """Step to the contents of a chunk; return its size, and the one that RF64 keeps in a chunk of its own."""
    large = None
    while len(header := file.read(8)) == 8:
        name, length = struct.unpack(f"{order}4sI", header)
        if name == wanted:
            return length, large
        if name == b"ds64" and length >= 16 and len(sizes := file.read(16)) == 16:
            large = struct.unpack("<QQ", sizes)[1]
            file.seek(-16, 1)
        file.seek(length + length % 2, 1)
    return None


def _is_unknown(size: int) -> bool:
    """Return whether a size stands for one that the writer did not know."""
    return size >= 2**63 or any(size in sizes for sizes in _UNKNOWN_SIZES)


def _nist_fault(path: Path) -> str | None:
    """Compare the samples that a NIST SPHERE header counts with the bytes that follow it."""
    with path.open("rb") as file:
        header = file.read(1024).decode("latin-1")
    fields = dict(line.split(" ", 2)[::2] for line in header.split("\n") if line.count(" ") >= 2)
    known = [fields.get(key, "") for key in ("sample_count", "channel_count", "sample_n_bytes")]
    start = header.split("\n")[1:2]
    if "embedded" in fields.get("sample_coding", "") or not all(
        text.strip().isdecimal() for text in known + start
    ):
        return None  # compressed, or with a count that is left to the reader
    promised = math.prod(int(text) for text in known)
    return _missing(promised, path.stat().st_size - int(start[0]), " of samples")


def _caf_fault(path: Path) -> str | None:
    """Walk the chunks of a Core Audio file to its samples; -1 is a size that the writer did not know."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(8)
        while len(header := file.read(12)) == 12:
            name, length = struct.unpack(">4sQ", header)
            if name == b"data":
                return None if _is_unknown(length) else _missing(length, size - file.tell(), " of samples")
            if length > size:
                break
            file.seek(length, 1)
    return "it has no samples (no data chunk)"


def _w64_fault(path: Path) -> str | None:
    """Walk the chunks of a Sony Wave64 file, whose sizes count their own headers, to its samples."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(40)
        while len(header := file.read(24)) == 24:
            name, length = struct.unpack("<4s12xQ", header)
            if name == b"data":
                left = size - file.tell()
                return None if _is_unknown(length) else _missing(length - 24, left, " of samples")
            if not 24 <= length <= size:
                break
            file.seek((length + 7) // 8 * 8 - 24, 1)
    return "it has no samples (no data chunk)"


def _missing(promised: int, left: int, what: str = "") -> str | None:
    return f"its header promises {promised} bytes{what}, {left} are there" if promised > left else None


def _box_fault(path: Path) -> str | None:
    """Walk the outer boxes of an MP4 or QuickTime file (ISO/IEC 14496-12): all whole, one the index.

    Boxes of any name may stand before the index. Behind it writers leave padding, which may look like one.
    """
    size = path.stat().st_size
    has_index = False
    with path.open("rb") as file:
        while len(header := file.read(8)) == 8:
            start = file.tell() - 8
            length, name = struct.unpack(">I4s", header)
            if has_index and name not in _BOXES_BEHIND:
                break
            has_index |= name == b"moov"
            if length == 1 and len(large := file.read(8)) == 8:
                length = struct.unpack(">Q", large)[0]
            if length == 0:  # until the end of the file
                break
            if length < 8:
                break
            fault = _missing(length, size - start)
            if fault:
                return fault
            file.seek(start + length)
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
