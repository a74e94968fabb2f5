"""Answers of a frozen model under a mask."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from calm_pl.data.loading.batches import any_loud
from calm_pl.errors import ModelError
from calm_pl.media import load_audio
from calm_pl.models import FrozenLALM
from calm_pl.models.masks import load_mask


def load_masked(mask: str, model: str | None, dtype: str) -> FrozenLALM:
    """Load a model with a mask switched on, to the GPU if there is one.

    Args:
        mask: `mask.safetensors`, or a checkpoint of the released code.
        model: its path; None for the one that the mask was trained on.
        dtype: see `FrozenLALM.from_pretrained`.

    Raises:
        ModelError: the mask does not say which model it belongs to, or fits another one.
    """
    trained_on = load_mask(mask).model if Path(mask).suffix == ".safetensors" else {}
    path = model or trained_on.get("path")
    if not path:
        raise ModelError(f"{mask}: does not state the model it belongs to: give the model (--model).")
    lalm = FrozenLALM.from_pretrained(
        path, dtype=dtype, mask=mask, system_prompt=trained_on.get("system_prompt")
    )
    return lalm.to("cuda" if torch.cuda.is_available() else "cpu")


def answers_of(
    lalm: FrozenLALM, files: Sequence[Path], question: str, max_new_tokens: int, batch_size: int
) -> Iterator[tuple[Path, str]]:
    """Yield each file with the model's answer, in order.

    Args:
        lalm: the model, with its mask.
        files: sound files; of long ones the beginning is heard.
        question: text in the prompt.
        max_new_tokens: maximum length of an answer.
        batch_size: clips per forward pass.

    Raises:
        BadClipError: a file that cannot be read.
    """
    preparer = lalm.preparer
    for start in range(0, len(files), batch_size):
        part = files[start : start + batch_size]
        heard = [load_audio(path, preparer.sample_rate, preparer.max_seconds) for path in part]
        inputs = preparer(
            [one.windows[0] for one in heard], [question] * len(part), any_level=any_loud(heard)
        )
        yield from zip(part, lalm.generate(inputs, max_new_tokens), strict=True)
