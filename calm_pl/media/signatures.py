"""Identify a media file by its first bytes: suffixes may be wrong, and FFmpeg takes text for a playlist."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import NamedTuple

from calm_pl.errors import BadClipError
from calm_pl.media.mpeg_audio import id3_length

# By these a folder is searched; reading goes by content.
SOUND_SUFFIXES = (
    ".wav", ".flac", ".ogg", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64", ".oga", ".spx",
    ".mp2", ".mpga", ".aifc", ".snd", ".bwf", ".rf64", ".voc", ".sph", ".wv", ".tta", ".ape", ".ac3", ".eac3",
)  # fmt: skip
CONTAINER_SUFFIXES = (
    ".mp4", ".m4a", ".m4b", ".m4v", ".mov", ".3gp", ".3g2", ".f4v", ".webm", ".weba", ".mkv", ".mka",
    ".avi", ".aac", ".flv", ".wma", ".wmv", ".asf", ".mpg", ".mpeg", ".vob", ".ts", ".mts", ".m2ts", ".amr",
    ".ogv", ".rm", ".ra",
)  # fmt: skip
MEDIA_SUFFIXES = (*SOUND_SUFFIXES, *CONTAINER_SUFFIXES)
_MPEG_AUDIO = (".mp3", ".mp2", ".mpga")
_HEAD = 600
_TS_PACKET = 188
_M2TS_PACKET = 192  # a time stamp of four bytes in front of each
_STILL_BRANDS = (b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis")
_QUICKTIME_BOXES = (
    b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"styp", b"sidx", b"moof", b"pnot", b"uuid",
    b"junk",
)  # fmt: skip
# The names on the right are those of FFmpeg's demuxers. These files go to PyAV.
_CONTAINERS = {
    b"\x1a\x45\xdf\xa3": "matroska",
    b"FLV\x01": "flv",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11": "asf",
    b"\x00\x00\x01\xba": "mpeg",
    b"#!AMR": "amr",
    b"wvpk": "wv",
    b"TTA1": "tta",
    b"MAC ": "ape",
    b"tBaK": "tak",
    b"MP+": "mpc",
    b"MPCK": "mpc8",
    b"DSD ": "dsf",
    b"qoaf": "qoa",
    b".RMF": "rm",
    b".ra\xfd": "rm",
    b".SoX": "sox",
    b"XoS.": "sox",
    b"nut/multimedia": "nut",
    b"\xb7\xd8\x00\x20\x37\x49\xda\x11": "wtv",
    b"\x7f\xfe\x80\x01": "dts",
}
# These go to soundfile, and where it fails to PyAV.
_SOUND_FILES = {
    b"fLaC": "flac",
    b"OggS": "ogg",
    b"caff": "caf",
    b".snd": "au",
    b"riff\x2e\x91\xcf\x11": "w64",
    b"Creative Voice File": "voc",
    b"NIST_1A": "nistsphere",
    b"2BIT": "avr",
}
_STRANGERS = {
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"%PDF": "a PDF document",
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "a gzip archive",
}


NO_SOUND = b"calm_pl: no sound here: "
"""Begins a file in place of a clip that a table does not hold, and says why not; no decoder takes it."""


class Kind(NamedTuple):
    """What a file is.

    Attributes:
        container: name of FFmpeg's demuxer; None for a file that goes to soundfile.
        looks_like: what else the first bytes tell, in words; empty where they tell nothing.
        sound: the demuxer for a file that goes to soundfile first; None where PyAV has none, or no one can
            tell what the file is.
    """

    container: str | None
    looks_like: str
    sound: str | None = None


def identify(path: Path) -> Kind:
    """Inspect a file's first bytes; the suffix only tells Ogg's two uses apart, and MP3 that begins midway.

    Raises:
        BadClipError: missing, unreadable, empty, not a regular file, a `NO_SOUND` note, or of a name that no
            decoder takes.
    """
    try:
        str(path).encode()
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # opening a pipe would wait for its writer
            raise BadClipError(f"{path}: cannot be read: a pipe, socket or device, not a file.")
        with path.open("rb") as file:
            head = file.read(_HEAD)
            tagged = head[:3] == b"ID3" and len(head) > 10
            if tagged:
                file.seek(id3_length(head))
                head = file.read(_HEAD) or head
    except FileNotFoundError as error:
        raise BadClipError(f"{path}: no such file.") from error
    except OSError as error:
        raise BadClipError(f"{path}: cannot be read: {error.strerror or error}.") from error
    except UnicodeError as error:
        raise BadClipError(f"{path}: cannot be read: its name is not UTF-8; rename it.") from error
    if not head:
        raise BadClipError(f"{path}: is empty (0 bytes).")
    if head.startswith(NO_SOUND):
        raise BadClipError(head[len(NO_SOUND) :].decode(errors="replace"))
    suffix = path.suffix.lower()
    container = _container(head, suffix)
    if container is not None:
        return Kind(container, _stranger(head))
    looks_like = _stranger(head)
    return Kind(None, looks_like, _sound_file(head, suffix, tagged, looks_like))


def _container(head: bytes, suffix: str) -> str | None:
    for prefix, name in _CONTAINERS.items():
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
    if head[:2] == b"\x0b\x77" and len(head) > 5:  # the version of the bit stream tells the two apart
        return "eac3" if head[5] >> 3 > 10 else "ac3"
    for packet, first in ((_TS_PACKET, 0), (_M2TS_PACKET, 4)):
        if len(head) > first + 2 * packet and set(head[first : first + 2 * packet + 1 : packet]) == {0x47}:
            return "mpegts"
    return None


def _sound_file(head: bytes, suffix: str, tagged: bool, looks_like: str) -> str | None:
    """Return the demuxer of a file that goes to soundfile first; None where nothing tells."""
    for prefix, name in _SOUND_FILES.items():
        if head.startswith(prefix):
            return name
    if head[:4] in (b"RIFF", b"RIFX", b"RF64") and head[8:12] == b"WAVE":
        return "wav"
    if head[:4] == b"FORM":
        return "aiff" if head[8:12] in (b"AIFF", b"AIFC") else "iff"
    # Recordings of broadcasts begin in the middle of a frame, others with zeros: there the name must do.
    is_mpeg = head[0] == 0xFF and len(head) > 1 and head[1] & 0xE0 == 0xE0
    return "mp3" if not looks_like and (tagged or is_mpeg or suffix in _MPEG_AUDIO) else None


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
