"""The LightningModule around a frozen audio language model: validation fits, test evaluates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from calm_pl.data.batches import Batch, Failure
from calm_pl.data.prompts import LETTERS
from calm_pl.errors import BadClipError, DataError, RunError
from calm_pl.metrics import MethodMetrics, MethodResult, PredictionTable
from calm_pl.models import FrozenLALM
from calm_pl.ranks import concatenate_over_ranks, sum_over_ranks
from calm_pl.voters import HeadVoter, gather_support

ZERO_SHOT = "zero_shot"


class SkipPolicy(NamedTuple):
    """What happens at clips that cannot be read.

    Attributes:
        skip: go on without them; else the first one stops the job.
        max_fraction: share of a split past which the job stops all the same.
    """

    skip: bool = False
    max_fraction: float = 0.0


STOP = SkipPolicy()


class Coverage(NamedTuple):
    """What became of a split's clips, over all ranks.

    Attributes:
        used: clips that counted.
        failures: clips that could not be read, in the order of the data set.
        num_cut: clips that were longer than the model's window.
    """

    used: int
    failures: list[Failure]
    num_cut: int


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn a voter's ValueError about the data into an error for the user."""
    try:
        yield
    except ValueError as error:
        raise RunError(f"{what}: {error}") from error


class FitFreeModule(LightningModule):
    """Training-free evaluation: `trainer.validate` on the support fits, `trainer.test` on the query scores.

    Args:
        lalm: the frozen model.
        voters: unfitted voters by method name.
        classes: labels in class order.
        num_support: support clips of the data set, over all ranks.
        num_query: query clips, over all ranks.
        zero_shot: also let the model answer with an option letter.
        policy: for clips that cannot be read.

    Attributes:
        voters: fitted after validation.
        results: by method, after test.
        predictions: labels (N, M) and confidences (N, M) of `methods`, after test.
        support_coverage, query_coverage: what became of the clips.
    """

    def __init__(
        self,
        lalm: FrozenLALM,
        voters: dict[str, HeadVoter],
        classes: Sequence[str],
        num_support: int,
        num_query: int,
        zero_shot: bool = True,
        policy: SkipPolicy = STOP,
    ) -> None:
        super().__init__()
        self.lalm = lalm
        self.voters = voters
        self.classes = tuple(classes)
        self.num_support = num_support
        self.num_query = num_query
        self.policy = policy
        self.methods = ([ZERO_SHOT] if zero_shot else []) + list(voters)
        self.metrics = {name: MethodMetrics(len(self.classes), num_query) for name in self.methods}
        # Lightning moves registered modules to the device.
        self._registered_metrics = nn.ModuleList(self.metrics.values())
        self.table = PredictionTable(num_query, len(self.methods))
        self.results: dict[str, MethodResult] = {}
        self._vectors: list[Tensor] = []
        self._labels: list[Tensor] = []
        self._failures: list[Failure] = []
        self._reset()

    # Support

    def on_validation_epoch_start(self) -> None:
        """Begin an empty support set."""
        self._reset()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Collect the head vectors of support clips; they stay on their rank."""
        self._account(batch, self.num_support)
        if len(batch.index_N):
            self._vectors.append(self.lalm(batch.inputs).vectors_NHD)
            self._labels.append(batch.label_N)

    def on_validation_epoch_end(self) -> None:
        """Fit every voter; only sums and counts cross ranks."""
        self.support_coverage = self._coverage(self.num_support)
        layout = self.lalm.layout
        nothing = torch.empty(0, layout.num_heads, layout.head_dim, device=self.device)
        x_NHD = torch.cat(self._vectors) if self._vectors else nothing
        labels = [self.classes[c] for y_N in self._labels for c in y_N.tolist()]
        if self.voters:
            with explained("The support cannot be fitted"):
                support = gather_support(x_NHD, labels, self.classes, sum_over_ranks)
                for voter in self.voters.values():
                    voter.fit_support(support)
        self._vectors, self._labels = [], []

    # Query

    def on_test_epoch_start(self) -> None:
        """Begin empty metrics."""
        self._reset()
        self.table.reset()
        for metrics in self.metrics.values():
            metrics.reset()

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Score query clips with every method from one forward pass."""
        self._account(batch, self.num_query)
        if not len(batch.index_N):
            return
        output = self.lalm(batch.inputs)
        labels, confidences = [], []
        for name in self.methods:
            if name == ZERO_SHOT:
                proba_NC = self._zero_shot(output.logits_NV, batch.options_NO)
                winner_N = proba_NC.argmax(-1)
            else:
                with explained("The query cannot be scored"):
                    decision = self.voters[name].vote(output.vectors_NHD)
                winner_N = decision.winner_N
                proba_NC = self.voters[name].probabilities(decision.scores_NC)
            self.metrics[name].update(winner_N, batch.label_N, batch.index_N)
            labels.append(winner_N)
            confidences.append(proba_NC.gather(1, winner_N[:, None]).squeeze(1))
        self.table.update(batch.index_N, torch.stack(labels, 1), torch.stack(confidences, 1))

    def on_test_epoch_end(self) -> None:
        """Metrics over all ranks; the total of clips is asserted."""
        self.query_coverage = self._coverage(self.num_query)
        if self.query_coverage.used == 0:
            raise RunError("No query clip could be read: there is nothing to evaluate.")
        seen_N, label_NM, confidence_NM = self.table.compute()
        if int(seen_N.max()) > 1 or int(seen_N.sum()) != self.query_coverage.used:
            raise RunError(
                f"{int(seen_N.sum())} predictions for {self.query_coverage.used} clips that were read:"
                " each clip must count exactly once."
            )
        self.predictions = (seen_N.cpu(), label_NM.cpu(), confidence_NM.cpu())
        self.results = {name: self.metrics[name].result() for name in self.methods}
        for name, result in self.results.items():
            for metric in ("accuracy", "macro_f1", "exact_match"):
                # Every rank has the value over all ranks already.
                self.log(f"test/{name}/{metric}", getattr(result, metric), rank_zero_only=True)

    # Parts

    def _zero_shot(self, logits_NV: Tensor, options_NO: Tensor) -> Tensor:
        """Probability of each class as the option whose letter the model would say next, (N, C)."""
        log_p_NV = torch.log_softmax(logits_NV, -1)
        letters = LETTERS[: options_NO.shape[1]]
        spellings = [self.lalm.preparer.option_tokens(letter) for letter in letters]
        by_letter_NO = torch.stack([log_p_NV[:, ids].logsumexp(-1) for ids in spellings], -1)
        p_NO = torch.softmax(by_letter_NO, -1)
        zeros_NC = torch.zeros(len(p_NO), len(self.classes), device=p_NO.device)
        return zeros_NC.scatter(1, options_NO, p_NO)

    def _reset(self) -> None:
        self._vectors, self._labels, self._failures = [], [], []
        self._num_used = 0
        self._num_cut = 0

    def _account(self, batch: Batch, num_clips: int) -> None:
        """Count what was read, and stop where the policy says so."""
        self._num_used += len(batch.index_N)
        self._num_cut += batch.num_cut
        self._failures += batch.failures
        if not self._failures:
            return
        if not self.policy.skip:
            raise BadClipError(
                f"{self._failures[0].reason} (data.on_bad_clip=skip goes on without such clips.)"
            )
        self._refuse_too_many(len(self._failures), num_clips, self._failures[0])

    def _refuse_too_many(self, failed: int, num_clips: int, first: Failure) -> None:
        if failed > self.policy.max_fraction * num_clips:
            raise DataError(
                f"{failed} of {num_clips} clips could not be read, more than"
                f" data.max_skipped_fraction={self.policy.max_fraction:g} allows. The first: {first.reason}"
            )

    def _coverage(self, num_clips: int) -> Coverage:
        """Bring together what the ranks read and failed to read."""
        counts = torch.tensor([self._num_used, self._num_cut], device=self.device)
        used, num_cut = (int(n) for n in sum_over_ranks(counts))
        failures = sorted(concatenate_over_ranks(self._failures))
        if failures:
            self._refuse_too_many(len(failures), num_clips, failures[0])
        if used + len(failures) != num_clips:
            raise RunError(
                f"{used} clips were read and {len(failures)} failed, but the split has {num_clips}:"
                " each clip must come exactly once."
            )
        return Coverage(used, failures, num_cut)
