"""Errors whose message is meant for the user: what is wrong, where, and what to do.

The command line prints the message of a `CalmError` and exits; a traceback is shown only with `--debug`.
"""

from __future__ import annotations


class CalmError(Exception):
    """Base of all errors that a user can fix."""


class ConfigError(CalmError):
    """One or more problems in a configuration, reported together."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = list(faults)
        count = "1 problem" if len(faults) == 1 else f"{len(faults)} problems"
        super().__init__(f"{count} in the configuration:\n" + "\n".join(f"  - {f}" for f in faults))


class DataError(CalmError):
    """A data set that cannot be used in its present state."""


class BadClipError(CalmError):
    """One clip that cannot be read. The message names the file."""


class ModelError(CalmError):
    """A model, processor or classifier that cannot be used."""


class RunError(CalmError):
    """A run folder that cannot be used, or a job that cannot continue."""


class StoppedRunError(RunError):
    """A job was ended by a signal.

    Attributes:
        signal: the signal's number.
    """

    def __init__(self, message: str, signal: int) -> None:
        self.signal = signal
        super().__init__(message)
