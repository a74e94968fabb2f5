"""How long the model of this rank waits for clips to be decoded."""

from __future__ import annotations

import time
from collections.abc import Callable

MOST_WAITING = 0.1
_LEAST_SECONDS = 20.0  # shorter passes say little about a long one


class Waiting:
    """Times between the batches of passes, and within them.

    Before a pass's first batch, workers start: that is not counted.

    Args:
        clock: returns seconds.

    Attributes:
        worked: seconds within batches that were decoded.
        waited: seconds before them.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self.worked = self.waited = 0.0
        self._come: float | None = None
        self._left: float | None = None

    def begin(self) -> None:
        """Begin a pass."""
        self._left = None

    def arrive(self, decoded: bool) -> None:
        """Begin a batch; False for one from the bank, which nothing was decoded for."""
        now = self._clock()
        if decoded and self._left is not None:
            self.waited += now - self._left
        self._come = now if decoded else None

    def leave(self) -> None:
        """End it."""
        self._left = self._clock()
        if self._come is not None:
            self.worked += self._left - self._come

    @property
    def share(self) -> float:
        """Share of the time in which the model waited; 0 where nothing was decoded."""
        total = self.worked + self.waited
        return self.waited / total if total else 0.0

    def warning(self, device: str) -> str | None:
        """Return what to do about a device that waits too long; None for a CPU, whose own cores decode."""
        if device == "cpu" or self.share <= MOST_WAITING or self.worked + self.waited < _LEAST_SECONDS:
            return None
        return (
            f"The model waited {self.waited:.0f} of {self.worked + self.waited:.0f} s for decoded clips:"
            " more decoding processes (data.num_workers) make the run faster."
        )
