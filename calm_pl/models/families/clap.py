"""CLAP: no audio language model, but an external baseline, one vector per clip and one per text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from calm_pl.errors import ModelError
from calm_pl.models import clap_facts
from calm_pl.models.chat import settings_hash, sound_extractor, tokenizer_hash
from calm_pl.models.families.table import Family
from calm_pl.models.given import texts_given, waveforms_given
from calm_pl.models.preparer import Video, Waveform

WINDOWS = 3
"""Windows of the longest clip: 30 s for a model of 10 s, what most audio language models hear."""


class ClapPreparer:
    """A `Preparer` for CLAP: spectrograms of each clip's consecutive windows; questions are not heard.

    The processor's own way with sound over its window is to cut it at a random place or, for fused models, to
    stack three random crops. Here clips are cut into consecutive windows, the last one shorter, so that all
    of a clip is heard and the same again each time. Shorter ones are repeated or padded as the processor
    says.

    Args:
        processor: the checkpoint's own.

    Raises:
        ModelError: a sampling rate or a window that cannot be.
    """

    modalities: tuple[str, ...] = ("audio",)
    audio_token_id = -1
    """There is none: sound has no place in a text."""

    def __init__(self, processor: Any) -> None:
        self.tokenizer = processor.tokenizer
        self.extractor = sound_extractor(processor)
        self.sample_rate = self.extractor.sampling_rate
        self._window = int(self.extractor.nb_max_samples)
        if not (isinstance(self.sample_rate, int) and self.sample_rate > 0 and self._window > 0):
            raise ModelError(
                f"The checkpoint's processor has the sampling_rate {self.sample_rate!r} and windows of"
                f" {self._window} samples, but both must be whole numbers above 0."
            )
        self.max_seconds = WINDOWS * self._window / self.sample_rate
        self.template = clap_facts.TEMPLATE

    def use_template(self, template: str) -> None:
        """Set the sentence about a class.

        Raises:
            ModelError: it has not one place for the label.
        """
        if not clap_facts.is_template(template):
            raise ModelError(f"model.clap_template: must be {clap_facts.NEED}, but is {template!r}.")
        self.template = template

    def __call__(
        self,
        waveforms: Sequence[Waveform],
        questions: Sequence[str],
        videos: Sequence[Video] | None = None,
        any_level: bool = False,
    ) -> dict[str, Tensor]:
        """Return spectrograms of the windows of N clips; see `Preparer.__call__`.

        Returns:
            `input_features` (W, 1 or 4, frames, mels) float32; `clip_W`, the clip of each window, int64; and
            `samples_W`, its length before padding, int64.
        """
        if videos is not None:
            raise ModelError("This model takes no video: choose an audio benchmark, or a model that sees.")
        clips = waveforms_given(waveforms, self.sample_rate, self.max_seconds, any_level)
        texts_given("questions", questions, len(clips))
        windows = [
            (n, clip[start : start + self._window])
            for n, clip in enumerate(clips)
            for start in range(0, len(clip), self._window)
        ]
        features: Any = self.extractor(
            [window for _, window in windows], sampling_rate=self.sample_rate, return_tensors="np"
        )["input_features"]
        return {
            "input_features": torch.from_numpy(np.asarray(features, dtype=np.float32)),
            "clip_W": torch.tensor([n for n, _ in windows], dtype=torch.int64),
            "samples_W": torch.tensor([len(window) for _, window in windows], dtype=torch.int64),
        }

    def prompt(self, question: str) -> str:
        """Return the question: it is part of a record's key, since it lists the options."""
        return question

    def sentence(self, label: str) -> str:
        """Return the text about a class."""
        return clap_facts.sentence(self.template, label)

    def option_tokens(self, letter: str) -> list[int]:
        """Refuse: options are compared as texts.

        Raises:
            ModelError: always.
        """
        raise ModelError("A CLAP model chooses no letters: it compares the sound with texts.")

    def answer_end(self) -> int:
        """Refuse: there are no answers.

        Raises:
            ModelError: always.
        """
        raise ModelError("A CLAP model writes no answers.")

    def audio_tokens(self, num_samples: int) -> int | None:
        """Return None: there are no placeholders."""
        return None

    def describe(self) -> dict[str, Any]:
        """Return the settings that vectors and zero-shot scores depend on; see `Preparer.describe`."""
        return {
            "clap_template": self.template,
            "tokenizer_sha256": tokenizer_hash(self.tokenizer),
            "sample_rate": self.sample_rate,
            "max_seconds": self.max_seconds,
            "features_sha256": settings_hash(self.extractor),
            "windows": "consecutive, mean by length",
        }


CLAP = Family(clap_facts.MODEL_CLASS, ClapPreparer, is_embedder=True)
