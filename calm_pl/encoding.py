"""From a batch to what every method needs: head vectors and the scores of option letters. Floor 3."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from calm_pl.data.batches import Batch
from calm_pl.data.prompts import LETTERS
from calm_pl.models import FrozenLALM


class Encoded(NamedTuple):
    """Clips as the model sees them.

    Attributes:
        vectors_NHD: head vectors, in the model's dtype; of a clip in several windows their mean.
        letters_NO: log-probability that the model says each option's letter next, float32, summed over the
            letter's spellings; -inf past a question's last option.
    """

    vectors_NHD: Tensor
    letters_NO: Tensor


def encode(lalm: FrozenLALM, batch: Batch) -> Encoded:
    """Run the model on a batch with at least one clip."""
    outputs = [lalm(one.inputs) for one in batch.passes]
    clip_R = torch.cat([one.clip_R for one in batch.passes])
    vectors_RHD = torch.cat([output.vectors_NHD for output in outputs])
    letters = LETTERS[: batch.options_NO.shape[1]]
    letters_RO = torch.cat([_letter_scores(lalm, output.logits_NV, letters) for output in outputs])
    num_clips = len(batch.index_N)
    if len(clip_R) > num_clips:
        dtype = vectors_RHD.dtype
        vectors_RHD = _mean_by_clip(vectors_RHD, clip_R, num_clips).to(dtype)
        letters_RO = _mean_by_clip(letters_RO, clip_R, num_clips)
    return Encoded(vectors_RHD, letters_RO.masked_fill(batch.options_NO < 0, -torch.inf))


def class_probabilities(letters_NO: Tensor, options_NO: Tensor, num_classes: int) -> Tensor:
    """Zero-shot probability of each class: that of the letter it stands at, (N, C) float32.

    Classes that were no option have 0. A question without options spreads evenly over all classes: it has
    no zero-shot answer, which is counted as the first class.
    """
    shown_NO = options_NO >= 0
    p_NO = torch.softmax(letters_NO, -1).masked_fill(~shown_NO, 0.0)
    p_NC = torch.zeros(len(p_NO), num_classes, device=p_NO.device)
    p_NC = p_NC.scatter_add(1, options_NO.clamp(min=0), p_NO)
    return torch.where(shown_NO.any(1, keepdim=True), p_NC, torch.full_like(p_NC, 1 / num_classes))


def _letter_scores(lalm: FrozenLALM, logits_NV: Tensor, letters: str) -> Tensor:
    """Log-probabilities (N, O) float32 of the letters, over all tokens that spell each."""
    log_p_NV = torch.log_softmax(logits_NV, -1)
    spellings = [lalm.preparer.option_tokens(letter) for letter in letters]
    if not spellings:
        return logits_NV.new_zeros(len(logits_NV), 0)
    return torch.stack([log_p_NV[:, ids].logsumexp(-1) for ids in spellings], -1)


def _mean_by_clip(values: Tensor, clip_R: Tensor, num_clips: int) -> Tensor:
    """Mean over the rows of each clip, in float32."""
    total = values.new_zeros(num_clips, *values.shape[1:], dtype=torch.float32)
    total.index_add_(0, clip_R, values.to(torch.float32))
    counts = torch.bincount(clip_R, minlength=num_clips)
    return total / counts.reshape(-1, *[1] * (values.dim() - 1))
