"""Progress of a sweep: points done, rate, time left; plain lines if the output is not a terminal."""

from __future__ import annotations

from calm_pl.progress import Progress


class SweepProgress:
    """Counter of points, one per setting, fold and draw.

    Args:
        enabled: whether to show anything.
    """

    def __init__(self, enabled: bool) -> None:
        self._enabled = enabled
        self._progress: Progress | None = None
        self._total = 0

    def expect(self, points: int) -> None:
        """Start a pass with this many points; its clock starts at the first `add`."""
        self.close()
        self._total = points

    def add(self, points: int) -> None:
        """Add finished points."""
        if self._progress is None:
            self._progress = Progress("points", self._total, "points", self._enabled)
        self._progress.reach(self._progress.done + points)
        if self._progress.done == self._total:
            self._progress.end()

    def close(self) -> None:
        """Restore the terminal."""
        if self._progress is not None:
            self._progress.close()
            self._progress = None
