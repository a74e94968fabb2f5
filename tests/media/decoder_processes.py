"""Processes of decoders, seen from outside."""

import time


def process_number(decoder, path) -> int:
    """The number of the process that answered."""
    return int(decoder.audio(path, 8_000, 30).windows[0][0])


def wait_for_end(number: int, seconds: float) -> bool:
    """Whether a process ends in time; one that nobody has waited for yet counts as ended."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            with open(f"/proc/{number}/stat") as file:
                if file.read().rsplit(")", 1)[1].split()[0] == "Z":
                    return True
        except FileNotFoundError:
            return True
        time.sleep(0.02)
    return False
