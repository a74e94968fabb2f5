"""Progress of a sweep: points done, rate, time left; plain lines if the output is not a terminal."""

from __future__ import annotations

import sys
import time
from typing import Any

from tqdm import tqdm

_SECONDS_BETWEEN_LINES = 10.0


class SweepProgress:
    """Counter of points, one per setting, fold and draw.

    Args:
        enabled: whether to show anything.
    """

    def __init__(self, enabled: bool) -> None:
        self._enabled = enabled
        self._bar: tqdm[Any] | None = None
        self._total = self._done = 0
        self._started: float | None = None
        self._last_line = 0.0

    def expect(self, points: int) -> None:
        """Start a pass with this many points; its clock starts at the first `add`."""
        self.close()
        self._total, self._done, self._started = points, 0, None

    def add(self, points: int) -> None:
        """Add finished points."""
        if not self._enabled:
            return
        now = time.monotonic()
        if self._started is None:
            self._started = self._last_line = now
            if sys.stderr.isatty():
                self._bar = tqdm(total=self._total, desc=" points", unit=" points", dynamic_ncols=True)
        self._done += points
        if self._bar is not None:
            self._bar.update(points)
        elif now - self._last_line >= _SECONDS_BETWEEN_LINES or self._done == self._total:
            self._last_line = now
            elapsed = max(now - self._started, 1e-9)
            rate = self._done / elapsed
            print(
                f"points: {self._done:,} of {self._total:,}, {rate:.1f} points/s,"
                f" {elapsed:.0f} s elapsed, {(self._total - self._done) / rate:.0f} s left",
                file=sys.stderr,
                flush=True,
            )

    def close(self) -> None:
        """Restore the terminal."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
