"""Import Lightning quickly and quietly, for commands that run it."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import types
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError
from typing import Any

# Torchmetrics, which Lightning imports, imports these whole for metrics of pictures and texts.
_UNUSED = ("torchvision", "transformers", "matplotlib", "scipy")


def import_lightning(quiet: bool = True) -> None:
    """Import Lightning without PyTorch's compiler and without torchmetrics' imports for images and text.

    The import then takes 2 CPU seconds rather than 5.6. In a process that begins so, torchmetrics lacks
    those metrics (`torchmetrics.image`, `torchmetrics.detection`, `torchmetrics.multimodal`); only command
    lines do, never `import calm_pl`.

    Args:
        quiet: silence what is no news in a training-free job.
    """
    if "torchmetrics" not in sys.modules:
        with _told_absent(_UNUSED):
            import torchmetrics  # noqa: F401
    with _without_compiler():
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
    available, package = imports.module_available, imports.package_available

    def told_version(name: str) -> Any:
        if name in packages:
            raise PackageNotFoundError(name)
        return version(name)

    def told_available(name: str) -> bool:
        return name not in packages and available(name)

    def told_package(name: str) -> bool:
        return name not in packages and package(name)

    if version is None:
        yield
        return
    imports.__dict__.update(
        _version=told_version, module_available=told_available, package_available=told_package
    )
    try:
        yield
    finally:
        imports.__dict__.update(_version=version, module_available=available, package_available=package)


class _Compiled(type):
    """The type of a stand-in for `torch._dynamo.OptimizedModule`."""

    def __instancecheck__(cls, instance: object) -> bool:
        """Return whether it is a compiled module, which only a process with the compiler can hold."""
        compiler = sys.modules.get("torch._dynamo.eval_frame")
        return compiler is not None and isinstance(instance, compiler.OptimizedModule)


class _OptimizedModule(metaclass=_Compiled):
    """What Lightning asks `isinstance` about, without importing PyTorch's compiler."""


def _as_it_is(function: Any, recursive: bool = True, **options: Any) -> Any:
    """Stand in for the compiler's `disable`, which code that is never compiled does not need."""
    return function


@contextmanager
def _without_compiler() -> Iterator[None]:
    """Let Lightning import without PyTorch's compiler, of which it needs two names that do nothing here.

    Its import would take as long as all others together. Whoever asks for another name of it, or imports it
    afterwards, gets the real one.
    """
    name = "torch._dynamo"
    if name in sys.modules:
        yield
        return
    stand_in: Any = types.ModuleType(name)

    def leave() -> None:
        if sys.modules.get(name) is stand_in:
            del sys.modules[name]

    def real(attribute: str) -> Any:
        if attribute == "__path__":  # the import system asks whether it is a package
            raise AttributeError(attribute)
        leave()
        return getattr(importlib.import_module(name), attribute)

    stand_in.__dict__.update(OptimizedModule=_OptimizedModule, disable=_as_it_is, __getattr__=real)
    sys.modules[name] = stand_in
    try:
        yield
    finally:
        leave()


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
