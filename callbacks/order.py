"""Check that callbacks which read files come after those that write them."""

from __future__ import annotations

from lightning.pytorch import Callback, Trainer

from calm_pl.errors import RunError


def require_before(reader: Callback, trainer: Trainer, *writers: type[Callback]) -> None:
    """Check that a Trainer's callbacks have the writers before the reader.

    Raises:
        RunError: a writer is missing or comes later; the message names it.
    """
    earlier = trainer.callbacks[: trainer.callbacks.index(reader)]  # type: ignore[attr-defined]
    for writer in writers:
        if not any(isinstance(one, writer) for one in earlier):
            raise RunError(
                f"{type(reader).__name__} reads what {writer.__name__} writes: put {writer.__name__}(...)"
                " before it in the Trainer's callbacks."
            )
