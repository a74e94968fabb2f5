"""Encode batches into what every method needs: head vectors and scores of the options."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from calm_pl.bank import LostRecords, Records
from calm_pl.data.loading.banked import BankLink
from calm_pl.data.loading.batches import Batch
from calm_pl.errors import BadClipError, RunError
from calm_pl.evaluation.kept import HEADS_ONLY, Kept
from calm_pl.evaluation.zero_shot import mean_over_orders, option_scores, turned_options
from calm_pl.models import DeferredLALM, FrozenLALM
from calm_pl.pseudo.sampling import RolloutSampler

_NOT_FINITE = "the model's head vectors are not finite (NaN or infinite); is model.dtype=float16 too narrow?"
_LOG = logging.getLogger("calm_pl")


class Remake(Protocol):
    """A function that decodes clips again; see `QuestionLoader.remake`."""

    def __call__(self, positions: Sequence[int], max_rows: int | None = None) -> Batch:
        """Return a batch of the clips at these positions; passes have at most `max_rows` rows from now on."""
        ...


class EncodingPass(NamedTuple):
    """What a pass over a set of questions cost.

    Attributes:
        num_banked: questions that the bank already held.
        seconds: of the whole pass.
    """

    num_banked: int
    seconds: float


class Encoded(NamedTuple):
    """Encoded clips.

    Attributes:
        vectors_NHD: head vectors, in the model's dtype or the bank's; the mean over a clip's windows. What
            else is kept follows as further rows of length D, see `Kept`.
        options_NO: logarithm of each option's score, float32, see `option_scores`; -inf beyond a question's
            last option.
        notes: notes on each clip, as in `Batch.notes`; those of cached clips are from when they were encoded.
        answers: sampled answers for each clip, over all its windows; empty if answers are not sampled.
    """

    vectors_NHD: Tensor
    options_NO: Tensor
    notes: Sequence[Mapping[str, Any]] = ()
    answers: Sequence[list[str]] = ()


class Encoder:
    """Encoder of batches: read clips from the bank, or encode them with the model and store them there.

    Args:
        lalm: the model.
        link: connection to the bank; None without one.
        mode: how options are scored, see `option_scores`.
        shown: labels as the model reads them, in class order.
        keep: what to append to the head vectors; the bank's identity must say so too.
        sampler: also samples answers; None samples none.
    """

    def __init__(
        self,
        lalm: FrozenLALM | DeferredLALM,
        link: BankLink | None = None,
        mode: str = "letters",
        shown: Sequence[str] = (),
        keep: Kept = HEADS_ONLY,
        sampler: RolloutSampler | None = None,
    ) -> None:
        self.lalm = lalm
        self.link = link
        self.mode = mode
        self.shown = shown
        self.keep = keep
        self.sampler = sampler

    def __call__(self, batch: Batch, remake: Remake) -> Encoded:
        """Encode a batch with at least one clip.

        Args:
            batch: a decoded or cached batch.
            remake: decodes clips again, if a cached record is damaged or memory runs out.

        Raises:
                RunError: a single clip does not fit into memory, or the bank's disk is full.
        """
        if batch.banked and self.link is not None:
            try:
                encoded = read_banked(self.link, batch)
                return encoded._replace(answers=self.sampler.kept(batch)) if self.sampler else encoded
            except LostRecords as error:
                lost = set(error.keys)
            _LOG.warning("Head bank: recomputing %d damaged records.", len(lost))
            rows = [n for n, key in enumerate(batch.keys) if key in lost]
            again = _again(batch, remake, rows=rows)
            encoded = self._run(again, remake)
            _fail_as(batch, again)
            return self(batch, remake) if len(batch.index_N) else encoded
        return self._run(batch, remake)

    def _run(self, batch: Batch, remake: Remake) -> Encoded:
        """Encode a decoded batch with the model, in smaller passes if memory runs out."""
        given = batch
        while True:
            rows = max(len(one.clip_R) for one in batch.passes)
            try:
                encoded = encode(self.lalm, batch, self.mode, self.shown, self.keep, self.sampler)
                break
            except RuntimeError as error:
                if not _is_out_of_memory(error):
                    raise
                if rows == 1:
                    raise RunError(
                        "A single clip does not fit into memory. Use a 16-bit dtype (model.dtype=bfloat16),"
                        " a larger GPU, or several GPUs (model.device_map=auto)."
                        " model.self_check=false saves three rows in the first batch."
                        + (" Fewer rollouts also need less memory (pseudo.rollouts)." if self.sampler else "")
                    ) from error
            # Outside the handler: the traceback keeps the tensors that did not fit alive.
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            _LOG.warning("Out of memory with %d clips per pass; continuing with %d.", rows, rows // 2)
            batch = _again(batch, remake, max_rows=rows // 2)
        encoded = without_bad(batch, encoded)
        if batch is not given:
            _fail_as(given, batch)
        if self.link is None:
            return encoded
        if self.sampler is not None:
            self.sampler.keep(batch, encoded.answers)
        return write_banked(self.link, batch, encoded)


def _fail_as(batch: Batch, again: Batch) -> None:
    """Move the clips of a batch to its failures that failed when they were encoded again."""
    bad = {failure.position: failure.reason for failure in again.failures}
    batch.fail({n: bad[i] for n, i in enumerate(batch.index_N.tolist()) if i in bad})


def without_bad(batch: Batch, encoded: Encoded) -> Encoded:
    """Return a decoded batch without the clips of which the model gives no finite vectors or scores.

    They become failures of the batch, as clips that cannot be read.
    """
    x_NX = encoded.vectors_NHD.flatten(1)
    low_N, high_N = torch.aminmax(x_NX, dim=1)
    good_N = low_N.isfinite() & high_N.isfinite() & ~encoded.options_NO.isnan().any(1)
    if good_N.all():
        return encoded
    bad = (~good_N).nonzero().flatten().tolist()
    batch.fail({n: f"{batch.notes[n]['path']}: {_NOT_FINITE}" for n in bad})
    rows = good_N.nonzero().flatten()
    return encoded._replace(
        vectors_NHD=encoded.vectors_NHD[rows],
        options_NO=encoded.options_NO[rows],
        notes=[encoded.notes[n] for n in rows.tolist()],
        answers=[encoded.answers[n] for n in rows.tolist()] if encoded.answers else encoded.answers,
    )


def read_banked(link: BankLink, batch: Batch) -> Encoded:
    """Read a batch from the bank, to the batch's device.

    Raises:
        LostRecords: the bank no longer has all of its records.
    """
    records = link.bank.read(batch.keys)
    device = batch.index_N.device
    scores_NO = records.option_scores_NO
    width = batch.options_NO.shape[1]
    # A record has its own question's number of options, the batch that of its longest question.
    lacking = width - scores_NO.shape[1]
    if lacking > 0:
        scores_NO = torch.nn.functional.pad(scores_NO, (0, lacking), value=-torch.inf)
    return Encoded(records.vectors_NHD.to(device), scores_NO[:, :width].to(device), records.meta)


def write_banked(link: BankLink, batch: Batch, encoded: Encoded) -> Encoded:
    """Hand a batch to the bank's thread; return it as a later run will read it.

    Raises:
        RunError: an earlier batch could not be written, or the bank's dtype cannot represent the vectors.
    """
    stored_NHD = link.bank.rounded(encoded.vectors_NHD)
    records = Records(
        batch.keys,
        encoded.vectors_NHD,
        encoded.options_NO,
        batch.notes,
        (batch.options_NO >= 0).sum(1).cpu(),
    )
    link.bank.append_later(records, link.identity)
    return encoded._replace(vectors_NHD=stored_NHD)


def encode(
    lalm: FrozenLALM | DeferredLALM,
    batch: Batch,
    mode: str = "letters",
    shown: Sequence[str] = (),
    keep: Kept = HEADS_ONLY,
    sampler: RolloutSampler | None = None,
) -> Encoded:
    """Run the model on a decoded batch with at least one clip.

    Args:
        lalm: the model.
        batch: the clips.
        mode: how options are scored, see `option_scores`.
        shown: labels as the model reads them, in class order; not needed for `letters`.
        keep: what to append to the head vectors.
        sampler: also samples answers, for the first order of the options; None samples none.
    """
    clip_R = torch.cat([one.clip_R for one in batch.passes])
    vectors, orders = [], []
    answers: list[list[str]] = [[] for _ in range(len(batch.index_N) if sampler else 0)]
    draws = sampler.draws(batch.index_N[clip_R].tolist()) if sampler else None
    for turn, passes in enumerate([batch.passes, *batch.turned]):
        options_NO = turned_options(batch.options_NO, turn)
        scores = []
        done = 0
        for one in passes:
            if turn == 0 and draws is not None:
                output, said = lalm.sample(one.inputs, draws.rows(done, len(one.clip_R)), keep.tower)
                done += len(one.clip_R)
                for n, texts in zip(one.clip_R.tolist(), said, strict=True):
                    answers[n] += texts
            else:
                output = lalm(one.inputs, tower=True) if keep.tower and turn == 0 else lalm(one.inputs)
            if turn == 0:
                vectors.append(keep.rows(output))
            scores.append(option_scores(lalm, mode, one, output, options_NO[one.clip_R], shown))
        orders.append(torch.cat(scores))
    vectors_RHD, scores_RO = torch.cat(vectors), mean_over_orders(orders)
    num_clips = len(batch.index_N)
    vectors_NHD = _mean_by_clip(vectors_RHD, clip_R, num_clips)
    return Encoded(vectors_NHD, _mean_by_clip(scores_RO, clip_R, num_clips), batch.notes, answers)


def encode_heads(lalm: FrozenLALM, batch: Batch, num_heads: int | None = None) -> Encoded:
    """Run the model on a decoded batch for head vectors alone, without scores of options.

    Args:
        lalm: the model.
        batch: at least one clip.
        num_heads: see `FrozenLALM.head_vectors`.
    """
    clip_R = torch.cat([one.clip_R for one in batch.passes])
    vectors_RHD = torch.cat([lalm.head_vectors(one.inputs, num_heads) for one in batch.passes])
    num_clips = len(batch.index_N)
    vectors_NHD = _mean_by_clip(vectors_RHD, clip_R, num_clips)
    return Encoded(vectors_NHD, torch.zeros(num_clips, 0, device=vectors_NHD.device), batch.notes)


def _again(
    batch: Batch, remake: Remake, rows: Sequence[int] | None = None, max_rows: int | None = None
) -> Batch:
    """Decode the batch again, or some of its rows."""
    positions = batch.index_N.tolist()
    again = remake(positions if rows is None else [positions[n] for n in rows], max_rows)
    if again.failures:
        raise BadClipError(f"{again.failures[0].reason} It could be read before.")
    return again.to(batch.index_N.device)


def _is_out_of_memory(error: RuntimeError) -> bool:
    """Return whether memory ran out: CUDA raises its own exception type, the CPU has only a message."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _mean_by_clip(values: Tensor, clip_R: Tensor, num_clips: int) -> Tensor:
    """Average the rows of each clip, in float32; return the values' dtype."""
    if len(clip_R) == num_clips:
        return values
    total = values.new_zeros(num_clips, *values.shape[1:], dtype=torch.float32)
    total.index_add_(0, clip_R, values.to(torch.float32))
    counts = torch.bincount(clip_R, minlength=num_clips)
    return (total / counts.reshape(-1, *[1] * (values.dim() - 1))).to(values.dtype)
