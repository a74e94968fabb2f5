"""From a batch to what every method needs: head vectors and the scores of option letters. Floor 3."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from calm_pl.bank import LostRecords, Records
from calm_pl.data.banked import BankLink
from calm_pl.data.batches import Batch
from calm_pl.data.prompts import LETTERS
from calm_pl.errors import BadClipError, RunError
from calm_pl.models import DeferredLALM, FrozenLALM

_LOG = logging.getLogger("calm_pl")


class Remake(Protocol):
    """Decodes clips again; see `QuestionLoader.remake`."""

    def __call__(self, positions: Sequence[int], max_rows: int | None = None) -> Batch:
        """A batch of the clips at these positions, in passes of at most `max_rows`, now and later."""
        ...


class Encoded(NamedTuple):
    """Clips as the model sees them.

    Attributes:
        vectors_NHD: head vectors, in the model's dtype or the bank's; the mean over a clip's windows.
        letters_NO: log-probability that the model says each option's letter next, float32, summed over the
            letter's spellings; -inf past a question's last option.
        num_cut: clips that were longer than the model's window.
    """

    vectors_NHD: Tensor
    letters_NO: Tensor
    num_cut: int = 0


class Encoder:
    """Encodes batches: from the bank where it has the clips, else with the model, and then into the bank.

    Args:
        lalm: the model.
        link: the bank; None without one.
    """

    def __init__(self, lalm: FrozenLALM | DeferredLALM, link: BankLink | None = None) -> None:
        self.lalm = lalm
        self.link = link

    def __call__(self, batch: Batch, remake: Remake) -> Encoded:
        """Encode a batch with at least one clip.

        Args:
            batch: decoded, or banked.
            remake: for a banked record that turns out damaged, and where memory runs out.

        Raises:
            RunError: one clip alone does not fit into memory, or the bank's disk is full.
        """
        if batch.banked and self.link is not None:
            try:
                return read_banked(self.link, batch)
            except LostRecords as error:
                _LOG.warning("Head bank: %d damaged records are computed again.", len(error.keys))
            batch = _again(batch, remake)
        while True:
            rows = max(len(one.clip_R) for one in batch.passes)
            try:
                encoded = encode(self.lalm, batch)
                break
            except RuntimeError as error:
                if not _is_out_of_memory(error):
                    raise
                if rows == 1:
                    raise RunError(
                        "One clip alone does not fit into memory. Use a 16-bit dtype (model.dtype=bfloat16),"
                        " a larger GPU, or spread the model over several (model.device_map=auto)."
                    ) from error
            # Outside of the handler: its traceback holds the tensors that did not fit.
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            _LOG.warning("Out of memory with %d clips a pass; going on with %d.", rows, rows // 2)
            batch = _again(batch, remake, rows // 2)
        return encoded if self.link is None else write_banked(self.link, batch, encoded)


def read_banked(link: BankLink, batch: Batch) -> Encoded:
    """What the bank holds of a batch, on the batch's device.

    Raises:
        LostRecords: it does not hold all of it any more.
    """
    records = link.bank.read(batch.keys)
    device = batch.index_N.device
    letters_NO = records.option_scores_NO
    width = batch.options_NO.shape[1]
    # The record has as many letters as its own question; the batch as many as its longest.
    lacking = width - letters_NO.shape[1]
    if lacking > 0:
        letters_NO = torch.nn.functional.pad(letters_NO, (0, lacking), value=-torch.inf)
    cut = sum(bool(one["was_cut"]) for one in records.meta)
    return Encoded(records.vectors_NHD.to(device), letters_NO[:, :width].to(device), cut)


def write_banked(link: BankLink, batch: Batch, encoded: Encoded) -> Encoded:
    """Put a batch into the bank; returns it as a later run will read it.

    Raises:
        RunError: the disk is full, or vectors that the bank's dtype cannot hold.
    """
    vectors_NHD = link.bank.rounded(encoded.vectors_NHD)
    records = Records(
        batch.keys,
        vectors_NHD.cpu(),
        encoded.letters_NO.cpu(),
        batch.notes,
        (batch.options_NO >= 0).sum(1).cpu(),
    )
    link.bank.append(records, link.identity)
    return encoded._replace(vectors_NHD=vectors_NHD)


def encode(lalm: FrozenLALM | DeferredLALM, batch: Batch) -> Encoded:
    """Run the model on a decoded batch with at least one clip."""
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
    letters_NO = letters_RO.masked_fill(batch.options_NO < 0, -torch.inf)
    return Encoded(vectors_RHD, letters_NO, sum(note["was_cut"] for note in batch.notes))


def class_probabilities(letters_NO: Tensor, options_NO: Tensor, num_classes: int) -> Tensor:
    """Zero-shot probability of each class: that of the letter it stands at, (N, C) float32.

    Classes that were no option have 0.

    Args:
        letters_NO: scores of the letters.
        options_NO: classes in the order of the letters, one at least; -1 past the last.
        num_classes: C.
    """
    p_NO = torch.softmax(letters_NO, -1)
    p_NC = torch.zeros(len(p_NO), num_classes, device=p_NO.device)
    return p_NC.scatter_add(1, options_NO.clamp(min=0), p_NO)


def _again(batch: Batch, remake: Remake, max_rows: int | None = None) -> Batch:
    again = remake(batch.index_N.tolist(), max_rows)
    if again.failures:
        raise BadClipError(f"{again.failures[0].reason} It could be read before.")
    return again.to(batch.index_N.device)


def _is_out_of_memory(error: RuntimeError) -> bool:
    """CUDA has a type for it, the CPU only words."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _letter_scores(lalm: FrozenLALM | DeferredLALM, logits_NV: Tensor, letters: str) -> Tensor:
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
