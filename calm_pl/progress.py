"""Progress of long work on standard error: a bar on a terminal, lines now and then elsewhere. Floor 0."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from tqdm import tqdm

T = TypeVar("T")
SECONDS_BETWEEN_LINES = 10.0


def say(text: str) -> None:
    """Print a line about what happens now."""
    print(text, file=sys.stderr, flush=True)


class Progress:
    """Count of finished things, with rate and time left.

    A log gets neither a bar nor carriage returns, nor does a terminal that does not say how wide it is.

    Args:
        name: of the work.
        total: how many things; None where nobody knows.
        unit: what they are, in the plural; may be the name.
        enabled: whether to show anything.
        brief: show nothing of work that takes a second (on a terminal) or ten (elsewhere).
    """

    def __init__(
        self, name: str, total: int | None, unit: str, enabled: bool = True, brief: bool = False
    ) -> None:
        self.name = name
        self.total = total
        self.unit = unit
        self.done = 0
        self._enabled = enabled
        self._brief = brief
        self._told: int | None = None
        self._started = self._last_line = time.monotonic()
        self._bar: tqdm[Any] | None = None
        if enabled and _has_width():
            from tqdm import tqdm

            self._bar = tqdm(
                total=total,
                desc=f"{name:>7}",
                unit=f" {unit}",
                dynamic_ncols=True,
                delay=1 if brief else 0,
                leave=not brief,
            )

    def reach(self, done: int, asides: str = "") -> None:
        """Show how many are done by now.

        Args:
            done: of the total.
            asides: what is to be said behind the count.
        """
        step, self.done = done - self.done, done
        if not self._enabled:
            return
        if self._bar is not None:
            self._bar.set_postfix_str(asides, refresh=False)
            self._bar.update(step)
        elif time.monotonic() - self._last_line >= SECONDS_BETWEEN_LINES:
            self._print_line(asides)

    def end(self, asides: str = "") -> None:
        """Show the last count, and restore the terminal."""
        if self._bar is not None:
            self._bar.set_postfix_str(asides, refresh=True)
        elif self._enabled and self._told != self.done and not (self._brief and self._told is None):
            self._print_line(asides)
        self.close()

    def close(self) -> None:
        """Restore the terminal."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def over(self, things: Iterable[T]) -> Iterator[T]:
        """Yield things, and count each when the next is asked for."""
        try:
            for thing in things:
                yield thing
                self.reach(self.done + 1)
            self.end()
        finally:
            self.close()

    def _print_line(self, asides: str) -> None:
        self._last_line, self._told = time.monotonic(), self.done
        elapsed = max(self._last_line - self._started, 1e-9)
        rate = self.done / elapsed
        unit = "" if self.unit == self.name else f" {self.unit}"
        of, left = "", ""
        if self.total is not None:
            of = f" of {self.total:,}"
            left = f", {(self.total - self.done) / rate if rate else float('inf'):.0f} s left"
        say(
            f"{self.name}: {self.done:,}{of}{unit}, {rate:.1f} {self.unit}/s, {elapsed:.0f} s elapsed{left}"
            f"{', ' if asides else ''}{asides}"
        )


def _has_width() -> bool:
    """Return whether standard error is a terminal whose width is known."""
    if not sys.stderr.isatty():
        return False
    try:
        return (
            int(os.environ.get("COLUMNS", "0")) > 0 or os.get_terminal_size(sys.stderr.fileno()).columns > 0
        )
    except (OSError, ValueError):  # no number; or no terminal after all
        return False
