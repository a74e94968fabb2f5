"""calm_pl: training-free evaluation of frozen audio language models through their attention heads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calm_pl.lazy_names import lazy_names

if TYPE_CHECKING:
    from calm_pl.evaluation.file_classifier import FileClassifier, load_classifier
    from calm_pl.jobs.evaluate import Evaluation, evaluate
    from calm_pl.models import FrozenLALM
    from calm_pl.report.loaded import Results, load_results
    from calm_pl.voters import Calm, CalmAuto, CalmGlobal, Gda, Sav

__version__ = "0.1.0"
__all__ = [
    "Calm",
    "CalmAuto",
    "CalmGlobal",
    "Evaluation",
    "FileClassifier",
    "FrozenLALM",
    "Gda",
    "Results",
    "Sav",
    "__version__",
    "evaluate",
    "load_classifier",
    "load_results",
]
__getattr__ = lazy_names(
    __name__,
    {
        "evaluation.file_classifier": ("FileClassifier", "load_classifier"),
        "jobs.evaluate": ("Evaluation", "evaluate"),
        "models": ("FrozenLALM",),
        "report.loaded": ("Results", "load_results"),
        "voters": ("Calm", "CalmAuto", "CalmGlobal", "Gda", "Sav"),
    },
)
