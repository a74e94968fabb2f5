"""A decoder whose process does what the file says: sleeps, dies, prints ..."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from calm_pl.media import Decoder
from calm_pl.media.decoder_main import serve
from calm_pl.media.wire import Message


class OddDecoder(Decoder):
    """Served by this module."""

    module = "odd_decoder"


def behave(path: str, **_: object) -> Message:
    """Do what `path` contains; if that is nothing odd, answer with half a second of this process's number."""
    deed, _, note = Path(path).read_text().partition(" ")
    if note and Path(note).exists():  # only the first time
        deed = "answer"
    elif note:
        Path(note).touch()
    if deed == "sleep":
        time.sleep(600)
    elif deed == "sleep-deaf":  # in foreign code that lets no other Python thread run
        ctypes.PyDLL(None).sleep(600)
    elif deed == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif deed == "exit":
        os._exit(3)
    elif deed == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    elif deed == "print":
        print("noise on stdout", flush=True)
        os.write(1, b"\x00\x01\x02 noise below Python\n" * 1_000)
        sys.stdin.read()
    elif deed == "fault":
        raise ZeroDivisionError("a fault of the program")
    elif deed == "memory":
        raise MemoryError
    return Message({"rate": 8_000, "cancels": False}, np.full(4_000, os.getpid(), np.float32))


def behave_later(path: str, is_first: bool) -> Message:
    """Answer with a second of silence, and from then on do what `path` contains."""
    return Message({"rate": 8_000}, np.zeros(8_000, np.float32)) if is_first else behave(path)


def main() -> None:
    """Serve."""
    serve({"audio": behave, "frames": behave, "recording": behave_later})
