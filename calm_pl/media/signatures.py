"""Identify a media file by its first bytes: suffixes may be wrong, and FFmpeg takes text for a playlist."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import NamedTuple

from calm_pl.errors import BadClipError

# By which a folder is searched; reading goes by content.
CONTAINER_SUFFIXES = (
    ".mp4", ".m4a", ".m4b", ".m4v", ".mov", ".3gp", ".webm", ".mkv", ".mka",
    ".avi", ".aac", ".flv", ".wma", ".wmv", ".mpg", ".mpeg", ".amr", ".ogv",
)  # fmt: skip
_HEAD = 600
_TS_PACKET = 188
_STILL_BRANDS = (b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis")
_QUICKTIME_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
# The names on the right are those of FFmpeg's demuxers.
_PREFIXES = {
    b"\x1a\x45\xdf\xa3": "matroska",
    b"FLV\x01": "flv",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11": "asf",
    b"\x00\x00\x01\xba": "mpeg",
    b"#!AMR": "amr",
}
_STRANGERS = {
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"%PDF": "a PDF document",
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "a gzip archive",
}


class Kind(NamedTuple):
    """What a file is.

    Attributes:
        container: name of FFmpeg's demuxer; None for a file that goes to soundfile.
        looks_like: what else the first bytes tell, in words; empty where they tell nothing.
    """

    container: str | None
    looks_like: str


def identify(path: Path) -> Kind:
    """Inspect a file's first bytes; the suffix only tells AAC from MP3 after an ID3 tag, and Ogg's two uses.

    Raises:
        BadClipError: missing, unreadable, empty, not a regular file, or of a name that no decoder takes.
    """
    try:
        str(path).encode()
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # opening a pipe would wait for its writer
            raise BadClipError(f"{path}: cannot be read: a pipe, socket or device, not a file.")
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except FileNotFoundError as error:
        raise BadClipError(f"{path}: no such file.") from error
    except OSError as error:
        raise BadClipError(f"{path}: cannot be read: {error.strerror or error}.") from error
    except UnicodeError as error:
        raise BadClipError(f"{path}: cannot be read: its name is not UTF-8; rename it.") from error
    if not head:
        raise BadClipError(f"{path}: is empty (0 bytes).")
    return Kind(_container(head, path.suffix.lower()), _stranger(head))


def _container(head: bytes, suffix: str) -> str | None:
    for prefix, name in _PREFIXES.items():
        if head.startswith(prefix):
            return name
    if head[4:8] in _QUICKTIME_BOXES and head[8:12] not in _STILL_BRANDS:
        return "mov"
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "avi"
    if head[:4] == b"OggS" and (suffix == ".ogv" or b"\x80theora" in head):
        return "ogg"
    # ADTS shares its first bits with MP3, whose layer is never 0.
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:
        return "aac"
    if head[:3] == b"ID3" and suffix == ".aac":
        return "aac"
    if len(head) > 2 * _TS_PACKET and {head[0], head[_TS_PACKET], head[2 * _TS_PACKET]} == {0x47}:
        return "mpegts"
    return None


def _stranger(head: bytes) -> str:
    for prefix, words in _STRANGERS.items():
        if head.startswith(prefix):
            return words
    if head[4:8] == b"ftyp" and head[8:12] in _STILL_BRANDS:
        return "a HEIF or AVIF image"
    if head.lstrip()[:1] == b"<":
        return "HTML or XML"
    if all(byte >= 32 or byte in b"\t\n\r" for byte in head):
        return "text"
    return ""
