"""The LightningModule around a frozen audio language model: validation fits, test evaluates."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import cast

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from calm_pl.data.loading.batches import Batch
from calm_pl.data.questions.prompts import ZERO_SHOT_MODES
from calm_pl.data.questions.task import Task
from calm_pl.distributed import concatenate_over_ranks, rank_and_size, sum_over_ranks
from calm_pl.errors import RunError
from calm_pl.evaluation.answers import Answer, confidence, explained, listed, metric_sizes, zero_shot_answer
from calm_pl.evaluation.clip_counts import STOP, Account, Coverage, SkipPolicy
from calm_pl.evaluation.encoding import Encoded, Encoder, encode, hidden_states
from calm_pl.evaluation.labelled import Labelled, label_clips
from calm_pl.evaluation.predictions import Predictions, answers_of, method_differences
from calm_pl.evaluation.prior import BASE, PRIOR, Prior, SupportAnswers
from calm_pl.evaluation.support_store import SupportStore
from calm_pl.methods.table import ORACLE_SUFFIX
from calm_pl.metrics import (
    Difference,
    MethodMetrics,
    MethodResult,
    PredictionTable,
    summarise,
)
from calm_pl.models import DeferredLALM, FrozenLALM
from calm_pl.pseudo.fitting import Held, PseudoFit
from calm_pl.voters import CalmAuto, HeadVoter, Support, gather_support
from calm_pl.voters.calm import CalmBase
from calm_pl.voters.oracle import OracleSearch

ZERO_SHOT = "zero_shot"


class FitFreeModule(LightningModule):
    """Training-free evaluation: `trainer.validate` on the support fits, `trainer.test` on the query scores.

    Args:
        lalm: the frozen model.
        voters: unfitted voters by method name; those of the first round are fitted themselves, the other
            rounds fit copies.
        task: classes, questions and rounds; see `FewShotDataModule.task`.
        zero_shot: how the model also answers itself, `letters`, `text` or `generate` (see `option_scores`);
            None leaves that out.
        policy: for clips that cannot be read.
        keep_hidden: encode hidden states too, also where no voter reads them; the bank's identity must agree.
        oracle: prepare the search for the settings of CALM and CALM-Global that suit the query set best.
        pseudo: also samples answers about the support, labels it by them, and fits voters on that, whose
            methods come last; None leaves that out.
        prior: the model's own answers also join CALM-Auto's, as the method `prior.PRIOR`; needs `zero_shot`
            by letters or text, and questions that list all classes.

    Attributes:
        fitted: after validation, the voters by method name, then in the order of `task.rounds`.
        searches: after validation with `oracle`, in the same order; see `calm_pl.evaluation.oracle`.
        priors: after validation with `prior`, in the order of `task.rounds`.
        results: by method, after test.
        predictions: of `methods`, after test.
        support_coverage, query_coverage: what became of the clips.
    """

    def __init__(
        self,
        lalm: FrozenLALM | DeferredLALM,
        voters: dict[str, HeadVoter],
        task: Task,
        zero_shot: str | None = "letters",
        policy: SkipPolicy = STOP,
        keep_hidden: bool = False,
        oracle: bool = False,
        pseudo: PseudoFit | None = None,
        prior: bool = False,
    ) -> None:
        super().__init__()
        if zero_shot not in (None, *ZERO_SHOT_MODES):
            raise ValueError(
                f"Expected `zero_shot` to be None or one of {ZERO_SHOT_MODES}, but got {zero_shot!r}."
            )
        self.lalm = lalm
        self.voters = voters
        self.task = task
        self.policy = policy
        self.zero_shot = zero_shot
        self.pseudo = pseudo
        self.methods = ([ZERO_SHOT] if zero_shot else []) + list(voters)
        self.keep_hidden = keep_hidden or any(voter.reads_hidden for voter in voters.values())
        self.methods += pseudo.methods if pseudo else []
        if prior and (zero_shot not in ("letters", "text") or BASE not in voters):
            raise ValueError(f"Expected `zero_shot` by letters or text and a voter {BASE!r} for `prior`.")
        self.prior = prior
        self.methods += [PRIOR] if prior else []
        # Answers that name no option; and no class among the options has a pseudo-label.
        may_abstain = zero_shot == "generate" or (pseudo is not None and task.only_options)
        sizes = metric_sizes(task, may_abstain)
        self.metrics = {name: [MethodMetrics(sizes) for _ in task.rounds] for name in self.methods}
        # Lightning moves registered modules to the device.
        self._registered = nn.ModuleList(one for rounds in self.metrics.values() for one in rounds)
        self.table = PredictionTable(len(task.query), task.num_draws, len(self.methods))
        self.oracle = oracle
        self.fitted: dict[str, list[HeadVoter]] = {}
        self.searches: dict[str, list[OracleSearch]] = {}
        self.results: dict[str, MethodResult] = {}
        self._differences: list[Difference] | None = None
        self.priors: list[Prior] = []
        self._support_answers = SupportAnswers(task) if prior else None
        self._support = SupportStore(None)
        self._account = Account(0, policy)

    # Support

    def on_validation_epoch_start(self) -> None:
        """Begin an empty support set."""
        if self.pseudo is not None:
            self.pseudo.start()
        self._account = Account(len(self.task.support), self.policy)
        data = getattr(self.trainer, "datamodule", None)
        link = None if data is None else data.bank
        self._support = SupportStore(None if link is None else link.bank.folder)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Collect the head vectors of support clips; they stay on their rank."""
        self._account.add(batch)
        if len(batch.index_N):
            encoded = self.encode(batch, "support")
            if self.voters or (self.pseudo is not None and self.pseudo.voters):
                self._support.add(batch.index_N, encoded.vectors_NHD)
            if self._support_answers is not None:
                self._support_answers.add(batch.index_N, encoded.options_NO, batch.options_NO)
            if self.pseudo is not None:
                self.pseudo.add(batch.index_N, encoded.answers)

    def on_validation_epoch_end(self) -> None:
        """Fit every voter in every round; only sums and counts cross ranks."""
        self.support_coverage = self._account.over_ranks(self.device)
        self.fitted = {name: [] for name in self.voters}
        self.searches = {}
        self.priors = []
        self._num_rows = max(concatenate_over_ranks([self._support.num_rows]))
        if self.pseudo is not None:
            self.pseudo.settle()
        for number, one in enumerate(self.task.rounds):
            if self.pseudo is not None:
                with explained("The pseudo-labels cannot be fitted"):
                    self.pseudo.fit(one, self._held_heads)
            if not self.voters:
                continue
            with explained("The support cannot be fitted"):
                vectors_NHD, labels, also_NC = self._labelled(one.support)
                supports: dict[bool, Support] = {}
                heldout = self._labelled(one.heldout) if one.heldout else None
                for name, voter in self.voters.items():
                    voter, hidden = voter if number == 0 else copy.copy(voter), voter.reads_hidden
                    if hidden not in supports:
                        supports[hidden] = gather_support(
                            self.read_by(voter, vectors_NHD),
                            labels,
                            self.task.classes,
                            sum_over_ranks,
                            *rank_and_size(),
                            also_NC,
                        )
                    judged = None
                    if heldout is not None and voter.get_params().get("reliability_split") == "heldout":
                        judged = (self.read_by(voter, heldout.vectors_NHD), heldout.labels)
                    self.fitted[name].append(voter.fit_support(supports[hidden], judged))
                    if self.oracle and isinstance(voter, CalmBase):
                        search = OracleSearch(voter, supports[hidden])
                        self.searches.setdefault(name, []).append(search)
                if self._support_answers is not None:
                    base = cast(CalmAuto, self.fitted[BASE][number])
                    self.priors.append(self._support_answers.fit(base, one.support))
        self._support.close()

    def _held(self, positions: Sequence[int]) -> Held:
        """Vectors of some support questions, as far as they are on this rank."""
        wanted, index, layout = set(positions), self._support.index, self.lalm.layout
        rows = [row for row, position in enumerate(index) if position in wanted]
        nothing = torch.empty(0, self._num_rows, layout.head_dim, device=self.device)
        return Held(self._support.vectors(rows, nothing), [index[row] for row in rows])

    def _held_heads(self, positions: Sequence[int]) -> Held:
        """The same without hidden states."""
        held = self._held(positions)
        return held._replace(vectors_NHD=held.vectors_NHD[:, : self.lalm.layout.num_heads])

    def _labelled(self, positions: Sequence[int]) -> Labelled:
        """The same with their true labels."""
        held = self._held(positions)
        return label_clips(self.task, held.vectors_NHD, held.positions)

    def read_by(self, voter: HeadVoter, vectors_NHD: Tensor) -> Tensor:
        """What a voter reads of the vectors that were kept: heads, or the hidden states behind them."""
        num_heads = self.lalm.layout.num_heads
        return hidden_states(vectors_NHD, num_heads) if voter.reads_hidden else vectors_NHD[:, :num_heads]

    # Query

    def on_test_epoch_start(self) -> None:
        """Begin empty metrics."""
        self._account = Account(len(self.task.query), self.policy)
        self.table.reset()
        self._differences = None
        for rounds in self.metrics.values():
            for metrics in rounds:
                metrics.reset()

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Score query clips with every method from one forward pass."""
        self._account.add(batch)
        if not len(batch.index_N):
            return
        encoded = self.encode(batch, "query")
        index_N = batch.index_N.cpu().numpy()
        clip_N = torch.from_numpy(self.task.clip_Q[index_N]).to(batch.index_N.device)
        shape = (len(index_N), self.task.num_draws, len(self.methods))
        label_NDM = torch.zeros(shape, dtype=torch.int64, device=self.device)
        confidence_NDM = torch.zeros(shape, device=self.device)
        for number, rows in self.rounds_of(batch):
            draw = self.task.rounds[number].draw
            for m, name in enumerate(self.methods):
                winner_n, proba_nC = self._answer(name, number, encoded, batch.options_NO, rows)
                self.metrics[name][number].update(
                    winner_n, proba_nC, batch.label_N[rows], clip_N[rows], batch.index_N[rows]
                )
                label_NDM[rows, draw, m] = winner_n
                confidence_NDM[rows, draw, m] = confidence(winner_n, proba_nC)
        self.table.update(batch.index_N, label_NDM, confidence_NDM)

    def on_test_epoch_end(self) -> None:
        """Metrics over all ranks; the total of clips is asserted."""
        self.query_coverage: Coverage = self._account.over_ranks(self.device)
        if self.query_coverage.used == 0:
            raise RunError("No query clip could be read: there is nothing to evaluate.")
        self.predictions = Predictions(*(state.cpu() for state in self.table.compute()))
        seen_Q = self.predictions.seen_Q
        if int(seen_Q.max()) > 1 or int(seen_Q.sum()) != self.query_coverage.used:
            raise RunError(
                f"{int(seen_Q.sum())} predictions for {self.query_coverage.used} clips that were read:"
                " each clip must count exactly once."
            )
        self._refuse_empty_folds()
        for m, name in enumerate(self.methods):
            rounds = [metrics.result() for metrics in self.metrics[name]]
            draws = self.task.num_draws
            by_fold = [rounds[start : start + draws] for start in range(0, len(rounds), draws)]
            self.results[name] = summarise(by_fold, answers_of(self.task, self.predictions, m))
            for metric, value in self.results[name].values.items():
                # Every rank has the value over all ranks already.
                self.log(f"test/{name}/{metric}", value, rank_zero_only=True)

    def rounds_of(self, batch: Batch) -> Iterator[tuple[int, Tensor]]:
        """Numbers of the rounds that a query batch has a part in, each with its rows."""
        fold_N = torch.from_numpy(self.task.fold_Q[batch.index_N.cpu().numpy()]).to(batch.index_N.device)
        for number, one in enumerate(self.task.rounds):
            rows = (fold_N == self.task.folds.index(one.fold)).nonzero().squeeze(1)
            if len(rows):
                yield number, rows

    def candidates(self, options_NO: Tensor) -> Tensor | None:
        """The classes that voters choose among, (N, C) bool; None is all."""
        return listed(options_NO, len(self.task.classes)) if self.task.only_options else None

    def extended(self, fitted: dict[str, list[HeadVoter]]) -> FitFreeModule:
        """A module with further methods that are fitted already, by name, in the order of `task.rounds`."""
        voters = {name: rounds[0] for name, rounds in fitted.items()}
        other = FitFreeModule(
            self.lalm,
            self.voters | voters,
            self.task,
            self.zero_shot,
            self.policy,
            self.keep_hidden,
            pseudo=self.pseudo,
            prior=self.prior,
        )
        other.fitted, other.priors = self.fitted | fitted, self.priors
        other.support_coverage = self.support_coverage
        return other

    def encode(self, batch: Batch, split: str) -> Encoded:
        """Head vectors and letters of a batch; clips that were cut are counted."""
        data, mode = getattr(self.trainer, "datamodule", None), self.zero_shot or "letters"
        sampler = self.pseudo.sampler if self.pseudo is not None and split == "support" else None
        if data is None:  # bare loaders in a user's own Trainer
            encoded = encode(self.lalm, batch, mode, self.task.shown, self.keep_hidden, sampler)
        else:
            encoder = Encoder(self.lalm, data.bank, mode, self.task.shown, self.keep_hidden, sampler)
            encoded = encoder(batch, data.loaders[split].remake)
        self._account.num_cut += encoded.num_cut
        return encoded

    @property
    def differences(self) -> list[Difference]:
        """Every pair of methods after test, but for those whose settings the query set chose."""
        if self._differences is None:
            fair = [name for name in self.methods if not name.endswith(ORACLE_SUFFIX)]
            places = [self.methods.index(name) for name in fair]
            kept = self.predictions._replace(label_QDM=self.predictions.label_QDM[..., places])
            self._differences = method_differences(self.task, kept, fair)
        return self._differences

    def _refuse_empty_folds(self) -> None:
        answered = set(self.task.fold_Q[self.predictions.seen_Q.numpy() > 0].tolist())
        for number, fold in enumerate(self.task.folds):
            if number not in answered:
                raise RunError(f"No query clip of fold {fold!r} could be read: its results would be empty.")

    def _answer(self, name: str, number: int, encoded: Encoded, options_NO: Tensor, rows: Tensor) -> Answer:
        """What a method, as fitted in a round, says of some rows of a batch."""
        options_nO = options_NO[rows]
        if name == ZERO_SHOT:
            return zero_shot_answer(encoded.options_NO[rows], options_nO, len(self.task.classes))
        vectors_nHD, candidates_nC = encoded.vectors_NHD[rows], self.candidates(options_nO)
        with explained("The query cannot be scored"):
            if self.pseudo is not None and name in self.pseudo.fitted:
                heads_nHD = vectors_nHD[:, : self.lalm.layout.num_heads]
                return Answer(*self.pseudo.fitted[name][number].answer(heads_nHD, candidates_nC))
            voter = self.fitted[BASE if name == PRIOR else name][number]
            decision = voter.vote(self.read_by(voter, vectors_nHD), candidates_nC)
            if name == PRIOR:
                decision = self.priors[number].decide(decision, encoded.options_NO[rows], options_nO)
        return Answer(decision.winner_N, voter.probabilities(decision.scores_NC))
