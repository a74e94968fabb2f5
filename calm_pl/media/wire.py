"""Messages between a `Decoder` and its process: a length-prefixed JSON header and raw bytes, no pickle."""

from __future__ import annotations

import json
import struct
from typing import Any, BinaryIO, NamedTuple

import numpy as np

_LENGTHS = struct.Struct("<IQ")  # bytes of the header, bytes of the array


class Message(NamedTuple):
    """A message through the pipe.

    Attributes:
        header: plain values.
        array: any shape; None where there is none.
    """

    header: dict[str, Any]
    array: np.ndarray | None = None


def write(stream: BinaryIO, header: dict[str, Any], array: np.ndarray | None = None) -> None:
    """Send a message; the stream is unbuffered."""
    body = memoryview(b"")
    if array is not None:
        array = np.ascontiguousarray(array)
        header = {**header, "dtype": array.dtype.str, "shape": array.shape}
        body = memoryview(array.data).cast("B") if array.size else body
    text = json.dumps(header).encode()
    _write_all(stream, memoryview(_LENGTHS.pack(len(text), len(body)) + text))
    _write_all(stream, body)


def read(stream: BinaryIO) -> Message:
    """Receive a message.

    Raises:
        EOFError: the other end has gone.
    """
    text_size, body_size = _LENGTHS.unpack(_read_all(stream, _LENGTHS.size))
    header = json.loads(_read_all(stream, text_size))
    if "dtype" not in header:
        return Message(header)
    array = np.frombuffer(_read_all(stream, body_size), header.pop("dtype")).reshape(header.pop("shape"))
    return Message(header, array)


def _write_all(stream: BinaryIO, block: memoryview) -> None:
    while block:
        block = block[stream.write(block) :]


def _read_all(stream: BinaryIO, size: int) -> bytearray:
    block = bytearray(size)
    rest = memoryview(block)
    while rest:
        count = stream.readinto(rest)  # type: ignore[attr-defined]  # a raw stream has it
        if not count:
            raise EOFError
        rest = rest[count:]
    return block
