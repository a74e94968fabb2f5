"""Self-checks of a loaded model, a few seconds each: it hears its clips, and batching changes no results.

They make their own clips, so they need no data set.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from calm_pl.errors import ModelError
from calm_pl.models.lalm import FrozenLALM
from calm_pl.models.preparer import Preparer

QUESTIONS = (
    "What do you hear?",
    "What caption does the given audio belong to? A. dog B. rain C. car_horn D. wind",
    "Is this audio bonafide or spoofed? A. bonafide B. spoofed",
)
# Vectors that differ less than this are the same, whatever the clip.
_LEAST_CHANGE = 1e-4
_TIMES_NOISE = 10
# In float32 rounding moves vectors by 1e-5 of their norm at most, and faults by 0.3 or more.
_FLOAT32_LIMIT = 1e-3
# In 16 bits rounding grows with depth, width and scale of the weights: 0.3 % of the norm in tiny models, 4 %
# at the shape of a 7B, up to 24 % with weights four times as large. It spares most heads, where it is 0.2 %
# or less of what another clip changes; a mask that is ignored moved vectors by 29 % or more, and most heads
# by 1.2 % of what another clip does at the least. A fault is what is beyond both; rounding is told.
_TOLD_DRIFT = {torch.float16: 2e-2, torch.bfloat16: 5e-2}
_FAULT_DRIFT, _FAULT_SHARE, _FAULT_CONFUSED = 0.15, 0.01, 0.25
_LEAST_DISTANCE = 1e-6  # between clips, of a head that hears them


class HearingReport(NamedTuple):
    """How much the audio affects the head vectors; changes are relative to the vectors' norm.

    Attributes:
        silence_change: with silence in place of the clip.
        swap_change: with another clip of the same length in its place.
        noise: of the same clip at another place in the batch; both changes must stand above it.
        audio_tokens: placeholders by clip length in samples; none with CLAP.
    """

    silence_change: float
    swap_change: float
    noise: float
    audio_tokens: dict[int, int]


class InvarianceReport(NamedTuple):
    """Effect of batching.

    Attributes:
        dtype: of the model.
        batch_size: of the batch that was compared with its clips alone.
        drift: largest change of a clip's head vectors, all heads together, relative to their norm.
        logit_change: largest absolute change of a next-token logit.
        changed_predictions: clips whose most likely next token changed.
        share: what batching changes in a head (1 - cosine), relative to what another clip in its place
            changes; the median over heads, of the clip where it is largest.
        confused: share of the heads in which a clip of the batch is nearer to another clip than to itself
            alone; largest over clips.
    """

    dtype: str
    batch_size: int
    drift: float
    logit_change: float
    changed_predictions: int
    share: float
    confused: float

    @property
    def warning(self) -> str | None:
        """What a reader of results must know: rounding that may change some; None where there is nothing."""
        limit = _TOLD_DRIFT.get(getattr(torch, self.dtype), _FLOAT32_LIMIT)
        if self.drift <= limit and self.share <= _FAULT_SHARE and not self.confused:
            return None
        return (
            f"Batching moves the model's head vectors by {self.drift:.1%} of their norm ({self.dtype}; at the"
            f" median head {self.share:.2%} of what another clip changes, and {self.confused:.1%} of heads"
            " take one clip for another): rounding, so that predictions may depend a little on"
            " data.batch_size. model.dtype=float32 or data.batch_size=1 rules it out."
        )


def sample_clips(preparer: Preparer, seed: int = 0) -> list[np.ndarray]:
    """Return three clips of different lengths, tones in noise, as long as the model's window or 3 s."""
    rng = np.random.default_rng(seed)
    longest = min(3.0, preparer.max_seconds)
    clips = []
    for share, pitch in zip((1.0, 0.31, 0.62), (220, 523, 1_318), strict=True):
        time = np.arange(int(share * longest * preparer.sample_rate)) / preparer.sample_rate
        wave = 0.3 * np.sin(2 * np.pi * pitch * time) + 0.1 * rng.standard_normal(len(time))
        clips.append(wave.astype(np.float32))
    return clips


def hearing_check(lalm: FrozenLALM, waveforms: Sequence[np.ndarray] | None = None) -> HearingReport:
    """Make sure that the head vectors depend on the sound.

    Args:
        lalm: the model.
        waveforms: two clips or more at the model's rate; by default its own.

    Raises:
        ModelError: silence or another clip leaves the vectors as they are, or the prompt has not the audio
            tokens that the clips' lengths ask for.
    """
    clips = list(waveforms) if waveforms is not None else sample_clips(lalm.preparer)
    # A CLAP model's sound has no place in a text.
    counts = {} if lalm.family.is_embedder else _count_tokens(lalm.preparer, clips)
    length = min(len(clip) for clip in clips)
    one, other = (clip[:length] for clip in clips[:2])
    silence = np.zeros_like(one)

    def hear(*pair: np.ndarray) -> Tensor:
        inputs = lalm.preparer(pair, [QUESTIONS[0]] * 2)
        vectors_NHD = lalm.head_vectors(inputs)
        if not vectors_NHD.isfinite().all():
            raise ModelError(
                "The model's head vectors of test clips are not finite (NaN or infinite), in"
                f" {str(vectors_NHD.dtype).removeprefix('torch.')}: is the dtype too narrow"
                " (model.dtype=bfloat16 or float32), or the checkpoint damaged?"
            )
        return vectors_NHD

    heard, swapped, silent = hear(one, other), hear(other, one), hear(silence, other)
    report = HearingReport(
        silence_change=float(relative_drift(silent[:1], heard[:1])),
        swap_change=float(relative_drift(swapped[:1], heard[:1])),
        noise=float(relative_drift(swapped[1:], heard[:1])),
        audio_tokens=counts,
    )
    least = max(_LEAST_CHANGE, _TIMES_NOISE * report.noise)
    for what, change in (
        ("silence in place of a clip", report.silence_change),
        ("another clip in its place", report.swap_change),
    ):
        if not change > least:
            raise ModelError(
                f"The model does not hear: {what} changes its head vectors by {change:.1e} of their norm, and"
                f" at least {least:.1e} is expected. Its answers would come from the text alone. The"
                " processor or its version is the usual cause (transformers that calm_pl was tested with:"
                " `list models`)."
            )
    return report


def invariance_check(
    lalm: FrozenLALM,
    waveforms: Sequence[np.ndarray] | None = None,
    questions: Sequence[str] | None = None,
) -> InvarianceReport:
    """Compare a batch of clips of different lengths with each of them alone.

    Args:
        lalm: the model.
        waveforms: N clips at the model's rate; by default its own.
        questions: N questions; by default the benchmarks'.

    Raises:
        ModelError: more change than rounding in the model's dtype explains.
    """
    clips = list(waveforms) if waveforms is not None else sample_clips(lalm.preparer)
    asked = list(questions) if questions is not None else [QUESTIONS[n % 3] for n in range(len(clips))]
    together = lalm(lalm.preparer(clips, asked))
    alone = [lalm(lalm.preparer([clip], [text])) for clip, text in zip(clips, asked, strict=True)]
    x_NHD = torch.cat([output.vectors_NHD for output in alone])
    others = [*clips[1:], clips[0]]  # in the place of each clip
    other_NHD = torch.cat(
        [lalm.head_vectors(lalm.preparer([clip], [text])) for clip, text in zip(others, asked, strict=True)]
    )
    share, confused = _against_other_clips(together.vectors_NHD, x_NHD, other_NHD)
    logits_NV = torch.cat([output.logits_NV for output in alone])
    has_logits = logits_NV.shape[1] > 0  # CLAP has none
    # Fewer bits round more coarsely than the dtype of what is computed with them.
    quantized = getattr(lalm.model, "is_quantized", False)
    dtype = torch.bfloat16 if quantized else lalm.model.dtype
    report = InvarianceReport(
        dtype=str(dtype).removeprefix("torch."),
        batch_size=len(clips),
        drift=float(relative_drift(together.vectors_NHD, x_NHD).max()),
        logit_change=float((together.logits_NV - logits_NV).abs().max()) if has_logits else 0.0,
        changed_predictions=int((together.logits_NV.argmax(-1) != logits_NV.argmax(-1)).sum())
        if has_logits
        else 0,
        share=share,
        confused=confused,
    )
    if dtype == torch.float32:
        is_fault = not report.drift <= _FLOAT32_LIMIT
    else:
        is_fault = not report.drift <= _FAULT_DRIFT and (share > _FAULT_SHARE or confused > _FAULT_CONFUSED)
    if is_fault:
        raise ModelError(
            f"Batching changes the model's head vectors by {report.drift:.1e} of their norm ({report.dtype};"
            f" at the median head {share:.1%} of what another clip changes, and {confused:.0%} of heads take"
            " one clip for another). That is more than rounding: results would depend on data.batch_size."
            " Use data.batch_size=1, another model.attn, or the transformers that calm_pl was tested with"
            " (`list models`)."
        )
    return report


def _against_other_clips(together_NHD: Tensor, alone_NHD: Tensor, other_NHD: Tensor) -> tuple[float, float]:
    """Return `share` and `confused` of the report.

    Args:
        together_NHD: clips in a batch.
        alone_NHD: the same clips, each alone.
        other_NHD: another clip alone in the place of each.
    """
    moved_NH = _cosine_distance(together_NHD, alone_NHD)
    other_NH = _cosine_distance(other_NHD, alone_NHD)
    hears_NH = other_NH > _LEAST_DISTANCE
    is_confused_NH = moved_NH > _cosine_distance(together_NHD, other_NHD)
    shares, confused = [0.0], [0.0]
    for moved_H, other_H, hears_H, is_confused_H in zip(
        moved_NH, other_NH, hears_NH, is_confused_NH, strict=True
    ):
        if bool(hears_H.any()):
            shares.append(float((moved_H[hears_H] / other_H[hears_H]).median()))
            confused.append(float(is_confused_H[hears_H].double().mean()))
    return max(shares), max(confused)


def _cosine_distance(a_NHD: Tensor, b_NHD: Tensor) -> Tensor:
    """Return 1 - cosine of each head's vectors, (N, H) float64; 0 against a vector of zeros."""
    a_NHD, b_NHD = a_NHD.to(torch.float64), b_NHD.to(torch.float64)
    norms_NH = a_NHD.norm(dim=-1) * b_NHD.norm(dim=-1)
    return torch.where(norms_NH > 0, 1 - (a_NHD * b_NHD).sum(-1) / norms_NH.clamp(min=1e-300), 0.0)


def relative_drift(changed_NHD: Tensor, original_NHD: Tensor) -> Tensor:
    """Return how far each clip's head vectors moved, relative to their norm, (N,) float64."""
    original_NX = original_NHD.to(torch.float64).flatten(1)
    return (changed_NHD.to(torch.float64).flatten(1) - original_NX).norm(dim=1) / original_NX.norm(dim=1)


def _count_tokens(preparer: Preparer, clips: Sequence[np.ndarray]) -> dict[int, int]:
    """Return audio placeholders by clip length, checked against the model's rule."""
    inputs = preparer(clips, [QUESTIONS[0]] * len(clips))
    counts_N = (inputs["input_ids"] == preparer.audio_token_id).sum(-1).tolist()
    for clip, count in zip(clips, counts_N, strict=True):
        expected = preparer.audio_tokens(len(clip))
        if count == 0 or expected not in (None, count):
            raise ModelError(
                f"A clip of {len(clip)} samples has {count} audio tokens in its prompt, but must have"
                f" {expected or 'some'}: the model would not hear it."
            )
    return {len(clip): count for clip, count in zip(clips, counts_N, strict=True)}
