"""A stored classifier that labels files: it loads the model that it was fitted with when it needs it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calm_pl.evaluation.predict import Prediction, matching_model, predict_files
from calm_pl.evaluation.recordings import Section, label_recording
from calm_pl.methods import classifier as files
from calm_pl.methods.classifier import Classifier

if TYPE_CHECKING:
    from calm_pl.models import FrozenLALM


@dataclass(frozen=True)
class FileClassifier(Classifier):
    """A `Classifier` with its model.

    Attributes:
        lalm: the model that it was fitted with, loaded when it is first asked for; see
            `calm_pl.evaluation.predict.matching_model` to load it from elsewhere.
    """

    @cached_property
    def lalm(self) -> FrozenLALM:
        """The model that it was fitted with."""
        return matching_model(self, None)

    def predict_files(
        self, paths: Sequence[str | Path], method: str | None = None, **how: Any
    ) -> list[Prediction]:
        """Classify files, in their order.

        Args:
            paths: sound files.
            method: one of the classifier's methods; None for the preferred one.
            how: further arguments of `calm_pl.evaluation.predict.predict_files`.
        """
        return predict_files(self, self.lalm, paths, method, **how)

    def label_recording(self, path: str | Path, method: str | None = None, **how: Any) -> Iterator[Section]:
        """Label a long recording with times; `calm_pl.evaluation.recordings.events` merges the sections.

        Args:
            path: the recording.
            method: one of the classifier's methods; None for the preferred one.
            how: further arguments of `calm_pl.evaluation.recordings.label_recording`.
        """
        return label_recording(self, self.lalm, path, method, **how)


def load_classifier(path: str | Path) -> FileClassifier:
    """Read a file written by `Classifier.save`, or that of a run folder.

    Everything that predictions depend on is checked, so a damaged or crafted file raises an error here.

    Raises:
        ModelError: the file is missing or not a classifier, or a part of it is invalid; the message names it.
    """
    path = Path(path)
    found = files.load_classifier(path / "classifier.safetensors" if path.is_dir() else path)
    return FileClassifier(found.voters, found.classes, found.prompt, found.model)
