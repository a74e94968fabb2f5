"""What an acceptance run finds: a line per item, at once, and a record."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch

from calm_pl import FrozenLALM


class Item(NamedTuple):
    """One line.

    Attributes:
        name: of what was looked at.
        passed: None where it is only measured, or cannot be looked at here.
        measured: numbers.
        why: what is wrong, or why it could not be looked at.
    """

    name: str
    passed: bool | None
    measured: dict[str, Any] | None = None
    why: str = ""


@dataclass
class Bench:
    """What the items share.

    Attributes:
        device: `cuda` or `cpu`.
        full: the released size, rather than a shrunken model and few clips.
        folder: for files, removed afterwards.
        family: of the model, as in `full_size_models.NAMES`.
        lalm: the model on the device, once it is loaded.
        items: what was found so far, by topic.
    """

    device: str
    full: bool
    folder: Path
    family: str
    lalm: FrozenLALM | None = None
    items: dict[str, list[Item]] = field(default_factory=dict)

    @property
    def on_gpu(self) -> bool:
        """Whether there is a GPU to look at."""
        return self.device == "cuda"

    @property
    def model(self) -> FrozenLALM:
        """The loaded model."""
        assert self.lalm is not None, "the model was not loaded"
        return self.lalm

    def look(self, topic: str, check: Callable[[Bench], Iterator[Item]]) -> None:
        """Run a check; what it raises is an item that failed."""
        found = self.items.setdefault(topic, [])
        try:
            for one in check(self):
                found.append(one)
                show(one)
        except Exception as error:
            traceback.print_exc()
            found.append(Item(check.__name__, False, None, f"{type(error).__name__}: {error}"))
            show(found[-1])

    def synchronize(self) -> None:
        """Wait for the GPU."""
        if self.on_gpu:
            torch.cuda.synchronize()


def show(item: Item) -> None:
    """Print an item."""
    mark = {True: "pass", False: "FAIL", None: "-"}[item.passed]
    numbers = ", ".join(f"{key} {_shown(value)}" for key, value in (item.measured or {}).items())
    print(f"{mark:5} {item.name}: {numbers}{'; ' * bool(numbers and item.why)}{item.why}", flush=True)


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
