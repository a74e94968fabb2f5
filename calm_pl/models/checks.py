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
# Drift between batch sizes that rounding explains; tiny models showed up to 1e-6 in float32 and 1.2e-2 in
# bfloat16 (benchmarks/results/families.json).
_DRIFT_LIMITS = {torch.float32: 1e-3, torch.float16: 2e-2, torch.bfloat16: 5e-2}


class HearingReport(NamedTuple):
    """How much the audio affects the head vectors; changes are relative to the vectors' norm.

    Attributes:
        silence_change: with silence in place of the clip.
        swap_change: with another clip of the same length in its place.
        noise: of the same clip at another place in the batch; both changes must stand above it.
        audio_tokens: placeholders by clip length in samples.
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
    """

    dtype: str
    batch_size: int
    drift: float
    logit_change: float
    changed_predictions: int


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
    counts = _count_tokens(lalm.preparer, clips)
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
        ModelError: more drift than rounding in the model's dtype explains.
    """
    clips = list(waveforms) if waveforms is not None else sample_clips(lalm.preparer)
    asked = list(questions) if questions is not None else [QUESTIONS[n % 3] for n in range(len(clips))]
    together = lalm(lalm.preparer(clips, asked))
    alone = [lalm(lalm.preparer([clip], [text])) for clip, text in zip(clips, asked, strict=True)]
    x_NHD = torch.cat([output.vectors_NHD for output in alone])
    drift_N = relative_drift(together.vectors_NHD, x_NHD)
    logits_NV = torch.cat([output.logits_NV for output in alone])
    dtype = lalm.model.dtype
    report = InvarianceReport(
        dtype=str(dtype).removeprefix("torch."),
        batch_size=len(clips),
        drift=float(drift_N.max()),
        logit_change=float((together.logits_NV - logits_NV).abs().max()),
        changed_predictions=int((together.logits_NV.argmax(-1) != logits_NV.argmax(-1)).sum()),
    )
    # Fewer bits round more coarsely than the dtype of what is computed with them.
    quantized = getattr(lalm.model, "is_quantized", False)
    limit = _DRIFT_LIMITS[torch.bfloat16 if quantized else dtype]
    if not report.drift <= limit:
        raise ModelError(
            f"Batching changes the model's head vectors by {report.drift:.1e} of their norm ({report.dtype};"
            f" rounding explains {limit:.0e}): results would depend on data.batch_size. Use"
            " data.batch_size=1, another model.attn, or the transformers that calm_pl was tested with"
            " (`list models`)."
        )
    return report


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
