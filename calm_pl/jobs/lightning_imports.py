"""Import Lightning quickly and quietly, for commands that run it."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError
from typing import Any

# Torchmetrics, which Lightning imports, imports these whole for metrics of pictures and texts.
_UNUSED = ("torchvision", "transformers", "matplotlib", "scipy")


def import_lightning(quiet: bool = True) -> None:
    """Import Lightning without what torchmetrics imports for metrics of pictures and texts.

    The import then takes 3.7 CPU seconds rather than 5.6. In a process that begins so, torchmetrics lacks
    those metrics (`torchmetrics.image`, `torchmetrics.detection`, `torchmetrics.multimodal`); only command
    lines do, never `import calm_pl`.

    Args:
        quiet: silence what is no news in a training-free job.
    """
    if "torchmetrics" not in sys.modules:
        with _told_absent(_UNUSED):
            import torchmetrics  # noqa: F401
    import lightning.pytorch  # noqa: F401  - its import sets the levels of its loggers

    if quiet:
        _quieten()


@contextmanager
def _told_absent(packages: tuple[str, ...]) -> Iterator[None]:
    """Let Lightning's look-up of optional packages answer that these are not installed.

    Where a later version looks otherwise, the import takes its time as before; nothing else changes.
    """
    from lightning_utilities.core import imports

    version: Any = getattr(imports, "_version", None)
    available = imports.module_available

    def told_version(name: str) -> Any:
        if name in packages:
            raise PackageNotFoundError(name)
        return version(name)

    def told_available(name: str) -> bool:
        return name not in packages and available(name)

    if version is None:
        yield
        return
    imports.__dict__.update(_version=told_version, module_available=told_available)
    try:
        yield
    finally:
        imports.__dict__.update(_version=version, module_available=available)


def _quieten() -> None:
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("WANDB_SILENT", "true")
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for noise in (
        ".*does not have many workers.*",
        ".*recommended to use `self.log.*",  # the values are those of all ranks already
        ".*Experiment logs directory .* exists and is not empty.*",
        ".*isinstance\\(treespec, LeafSpec\\).*",
        ".*``compute`` method of metric .* was called before.*",  # on a rank without a clip of a fold
    ):
        warnings.filterwarnings("ignore", message=noise)
