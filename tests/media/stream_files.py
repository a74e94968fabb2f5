"""Sound as streams, pipes and other programs leave it, made by hand or by changing what encoders wrote."""

from __future__ import annotations

import struct
from pathlib import Path

import av
import numpy as np


def heard_by_pyav(path: Path) -> tuple[np.ndarray, int]:
    """Mono samples (T,) and their rate, as PyAV finds and decodes them by itself."""
    blocks = []
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            block = frame.to_ndarray()
            full = 1 if block.dtype.kind == "f" else -float(np.iinfo(block.dtype).min)
            channels = len(frame.layout.channels)
            by_channel = block.reshape(-1, channels).T if frame.format.is_packed else block
            blocks.append(by_channel.mean(0) / full)
            rate = frame.sample_rate
    return np.concatenate(blocks), rate


def slow_crc(page: bytes) -> int:
    """Ogg's checksum, bit by bit."""
    crc = 0
    for byte in page:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ 0x04C11DB7 if crc & 0x80000000 else crc << 1) & 0xFFFFFFFF
    return crc


def ogg_page(packet: bytes, flags: int, granule: int, number: int, going_on: bool = False) -> bytes:
    """A page with one packet, which may go on in the next."""
    lacing = bytes([255] * (len(packet) // 255) + [len(packet) % 255] * (not going_on))
    head = b"OggS\0" + struct.pack("<BqIIIB", flags, granule, 7, number, 0, len(lacing))
    page = head + lacing + packet
    return page[:22] + struct.pack("<I", slow_crc(page)) + page[26:]


def pages(content: bytes) -> list[bytes]:
    """The pages of an Ogg file."""
    found, at = [], 0
    while at < len(content):
        lacing = content[at + 27 : at + 27 + content[at + 26]]
        end = at + 27 + len(lacing) + sum(lacing)
        found.append(content[at:end])
        at = end
    return found


def without_end(content: bytes) -> bytes:
    """An Ogg file whose last page is not marked as the last."""
    *rest, last = pages(content)
    last = last[:5] + bytes([last[5] & ~4]) + last[6:22] + bytes(4) + last[26:]
    return b"".join(rest) + last[:22] + struct.pack("<I", slow_crc(last)) + last[26:]


def speex(frames: int) -> bytes:
    """Ogg Speex of 8 kHz: every frame of 20 bytes (submode 3, 160 samples) holds bits by chance."""
    rng = np.random.default_rng(0)
    fields = struct.pack("<13i", 1, 80, 8_000, 0, 4, 1, -1, 160, 0, 1, 0, 0, 0)
    head = b"Speex   " + b"1.2".ljust(20, b"\0") + fields
    made = [ogg_page(head, 2, 0, 0), ogg_page(struct.pack("<I4sI", 4, b"test", 0), 0, 0, 1)]
    for number in range(frames):
        packet = bytes([0b00011_000 | int(rng.integers(8))]) + rng.bytes(19)
        made.append(ogg_page(packet, 4 if number == frames - 1 else 0, 160 * (number + 1), number + 2))
    return b"".join(made)


def chunk(name: bytes, body: bytes, size: int | None = None) -> bytes:
    """A RIFF chunk, padded to an even length; it may declare another size."""
    return name + struct.pack("<I", len(body) if size is None else size) + body + b"\0" * (len(body) % 2)


def wav(data: bytes, riff: int, size: int, tag: int = 1, bits: int = 16, rate: int = 16_000) -> bytes:
    """A mono WAV file that declares the sizes `riff` and `size`."""
    block = max(bits // 8, 1)
    form = struct.pack("<HHIIHHH", tag, 1, rate, rate * block, block, bits, 0)
    return b"RIFF" + struct.pack("<I", riff) + b"WAVE" + chunk(b"fmt ", form) + chunk(b"data", data, size)
