"""Benchmarks as LightningDataModules. Floor 2. Nothing here knows a model: a `Preparer` is handed in.

Other packages add benchmarks through entry points of the group `calm_pl.benchmarks`.
"""

from __future__ import annotations

import difflib
import importlib
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING

from calm_pl.data.benchmarks.catalogue import FACTS
from calm_pl.errors import DataError

if TYPE_CHECKING:
    from calm_pl.data.benchmarks.facts import Facts
    from calm_pl.data.loading.base import FewShotDataModule

PLUGIN_GROUP = "calm_pl.benchmarks"
# name: (module, class); imported when used
BENCHMARKS = {
    "esc50": ("calm_pl.data.benchmarks.esc50", "ESC50"),
    "vggsound": ("calm_pl.data.benchmarks.vggsound", "VGGSound"),
    "vggvideo": ("calm_pl.data.benchmarks.vggsound", "VGGVideo"),
    "audioset": ("calm_pl.data.benchmarks.audioset", "AudioSet"),
    "asvspoof2019_la": ("calm_pl.data.benchmarks.asvspoof", "ASVspoof2019LA"),
    "fsdd": ("calm_pl.data.benchmarks.fsdd", "FSDD"),
    "speech_commands": ("calm_pl.data.benchmarks.speech_commands", "SpeechCommands"),
    "urbansound8k": ("calm_pl.data.benchmarks.urbansound8k", "UrbanSound8K"),
    "folder": ("calm_pl.data.own.folder", "Folder"),
    "manifest": ("calm_pl.data.own.manifest", "Manifest"),
    "huggingface": ("calm_pl.data.own.huggingface", "HuggingFace"),
}


def benchmark_names() -> list[str]:
    """The built-in benchmarks, then those of other packages by name. A built-in name cannot be taken."""
    return [*BENCHMARKS, *sorted(_plugins())]


def benchmark_class(name: str) -> type[FewShotDataModule]:
    """The data module of a benchmark.

    Raises:
        DataError: no such benchmark, or one of another package that cannot be loaded.
    """
    if name in BENCHMARKS:
        module, cls = BENCHMARKS[name]
        return getattr(importlib.import_module(module), cls)
    plugins = _plugins()
    if name in plugins:
        return _load(plugins[name])
    near = difflib.get_close_matches(name, benchmark_names(), 1)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise DataError(f"There is no benchmark {name!r}.{hint} There are: {', '.join(benchmark_names())}.")


def benchmark_facts(name: str) -> Facts:
    """Facts about a benchmark; those of built-in ones without importing it.

    Raises:
        DataError: as `benchmark_class`.
    """
    return FACTS[name] if name in FACTS else benchmark_class(name).facts


def _plugins() -> dict[str, EntryPoint]:
    """Entry points of other packages by name."""
    return {p.name: p for p in entry_points(group=PLUGIN_GROUP) if p.name not in BENCHMARKS}


def _load(point: EntryPoint) -> type[FewShotDataModule]:
    from calm_pl.data.benchmarks.facts import Facts
    from calm_pl.data.loading.base import FewShotDataModule

    package = point.dist.name if point.dist else "unknown"
    where = f"The benchmark {point.name!r} of the package {package!r} ({point.value})"
    try:
        cls = point.load()
    except Exception as error:  # another's code may raise anything
        raise DataError(
            f"{where} cannot be loaded: {type(error).__name__}: {error}. Mend or uninstall that package; the"
            " other benchmarks work."
        ) from error
    if not (isinstance(cls, type) and issubclass(cls, FewShotDataModule)):
        raise DataError(f"{where} must be a subclass of FewShotDataModule, but is {cls!r}.")
    if not isinstance(getattr(cls, "facts", None), Facts):
        raise DataError(f"{where} must have `facts`, a calm_pl.data.benchmarks.facts.Facts.")
    return cls
