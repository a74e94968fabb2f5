"""Callbacks that read what others wrote must come after them."""

from __future__ import annotations

from lightning.pytorch import Callback, Trainer

from calm_pl.errors import RunError


def require_before(reader: Callback, trainer: Trainer, *writers: type[Callback]) -> None:
    """Refuse a Trainer whose callbacks do not have the writers before the reader.

    Raises:
        RunError: names the first writer that is not there.
    """
    earlier = trainer.callbacks[: trainer.callbacks.index(reader)]  # type: ignore[attr-defined]
    for writer in writers:
        if not any(isinstance(one, writer) for one in earlier):
            raise RunError(
                f"{type(reader).__name__} reads what {writer.__name__} writes: put {writer.__name__}(...)"
                " before it in the Trainer's callbacks."
            )
