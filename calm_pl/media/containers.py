"""Open a container with PyAV; whatever it says becomes one error that names the file. Knows no torch."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from calm_pl.errors import BadClipError


def single_threaded(stream: Any, path: Path) -> Any:
    """Return a stream whose decoder uses one thread: clips are already decoded in parallel.

    Raises:
        BadClipError: FFmpeg has no decoder for it.
    """
    if stream.codec_context is None:
        raise BadClipError(f"{path}: is damaged, or holds a {stream.type} track that nothing here decodes.")
    stream.codec_context.thread_count = 1
    return stream


def decoded(container: Any, stream: Any, path: Path) -> Iterator[Any]:
    """Yield the decoded frames of a stream.

    Raises:
        BadClipError: the file is so damaged that PyAV loses count of its streams.
    """
    try:
        yield from container.decode(stream)
    except IndexError as error:
        raise BadClipError(f"{path}: is damaged.") from error


@contextmanager
def opened(path: Path, format: str, source: Path | BinaryIO | None = None) -> Iterator[Any]:
    """Open an `av` container, a file or a part of one; it is closed at the end of the block.

    The demuxer is named by us, from the file's first bytes: FFmpeg would otherwise follow a file that looks
    like a playlist to other files and addresses.

    Raises:
        BadClipError: it cannot be opened, or decoding in the block fails.
    """
    import av

    # Tags in a wrong encoding are no reason to refuse the sound; from 19 on PyAV takes them as they are.
    lenient: dict[str, Any] = {"metadata_errors": "ignore"} if int(av.__version__.split(".")[0]) < 19 else {}
    try:
        with av.open(
            source if isinstance(source, io.BytesIO) else str(path), format=format, **lenient
        ) as container:
            yield container
    except av.FFmpegError as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise BadClipError(f"{path}: cannot be decoded as {format} ({reason}).") from error
