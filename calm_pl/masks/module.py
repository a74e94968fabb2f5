"""The LightningModule that learns a mask over a frozen model's heads (AHAMask, arXiv 2509.01787)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from calm_pl.data.questions.draws import stable_number
from calm_pl.distributed import concatenate_over_ranks, sum_over_ranks
from calm_pl.errors import BadClipError, RunError
from calm_pl.functional.masks import (
    annealed_tau,
    initial_logits,
    left_gumbel,
    sample_masks,
    sparsity_loss,
    trained_mask,
    warmed_cosine,
)
from calm_pl.masks.settings import MaskRecipe
from calm_pl.masks.state import MaskState
from calm_pl.masks.texts import TextBatch
from calm_pl.models import FrozenLALM
from calm_pl.models.checks import hearing_check
from calm_pl.models.gates import HeadGates, SteppedLayers


class Validation(NamedTuple):
    """Results of the mask on the validation clips.

    Attributes:
        step: number of steps done.
        loss: mean cross-entropy per token, including the end token.
        exact: share of clips for which greedy decoding gives exactly the expected answer.
        num_clips: number of clips.
    """

    step: int
    loss: float
    exact: float
    num_clips: int


class MaskModule(LightningModule):
    """Module that trains one logit per head; the model is frozen, and only the logits are parameters.

    Args:
        lalm: the frozen model, without a mask.
        recipe: how the mask is trained.
        seed: seed of initial values and noise.
        job: hash of the settings, stored with the state.
        state_file: where the state is saved; None saves nothing.
        state: the state to resume from; None starts a new training.
        self_check: before the first step, check that the model hears.

    Attributes:
        logits_LA: M, float32.
        first: the step from which training resumes, else 0.
        saved: the step of the last state that was saved or resumed from.
        validations: results of validations, in the order of steps.
        odd: kinds of `calm_pl.media.ODD_SOUND`, by id, of clips of which little is heard, among those read
            since training was resumed; of all ranks once it is over.
    """

    def __init__(
        self,
        lalm: FrozenLALM,
        recipe: MaskRecipe,
        seed: int = 0,
        job: str = "",
        state_file: Path | None = None,
        state: MaskState | None = None,
        self_check: bool = False,
    ) -> None:
        super().__init__()
        if lalm.mask is not None:
            raise ValueError("Expected a model without a mask to train one.")
        # In a list, so that Lightning neither broadcasts the weights nor sets the model to train mode.
        self._held = [lalm]
        self.recipe = recipe
        self.seed = seed
        self.job = job
        self.state_file = state_file
        self.first = self.saved = 0 if state is None else state.step
        self._resumed = state
        self._self_check = self_check
        start_LA = initial_logits(
            lalm.layout.num_layers,
            lalm.layout.heads_per_layer,
            self._generator("start"),
            recipe.init_mean,
            recipe.init_std,
        )
        self.logits_LA = nn.Parameter(start_LA if state is None else state.logits_LA.clone())
        self.validations: list[Validation] = []
        self.odd: dict[str, tuple[str, ...]] = {}
        self._gates: HeadGates | None = None
        self._layers: SteppedLayers | None = None
        self._sums = torch.zeros(4, dtype=torch.float64)
        self._mid_step = False

    @property
    def lalm(self) -> FrozenLALM:
        """The frozen model."""
        return self._held[0]

    @property
    def step(self) -> int:
        """Steps done, including those before resuming."""
        return self.first + self.global_step

    def configure_optimizers(self) -> Any:
        """Return AdamW on the logits, with its running averages if training is resumed."""
        r, state = self.recipe, self._resumed
        optimizer = torch.optim.AdamW([self.logits_LA], lr=r.lr, weight_decay=r.weight_decay)
        if state is not None:
            optimizer.state[self.logits_LA] = {
                "step": torch.tensor(float(state.step)),
                "exp_avg": state.mean_LA.to(self.logits_LA.device).clone(),
                "exp_avg_sq": state.square_LA.to(self.logits_LA.device).clone(),
            }
        return optimizer

    def on_fit_start(self) -> None:
        """Move the model to this rank's device, check it there, and install the gates."""
        self.lalm.to(self.device)
        if self._self_check:
            hearing_check(self.lalm)
        self._gates = HeadGates(self.lalm.decoder)
        if self.recipe.checkpoint_layers:
            self._layers = SteppedLayers(self.lalm.decoder)

    def on_fit_end(self) -> None:
        """Remove the gates from the model, and learn which odd clips other ranks met."""
        self.odd = dict(sorted(concatenate_over_ranks(list(self.odd.items()))))
        for part in (self._gates, self._layers):
            if part is not None:
                part.remove()
        self._gates = self._layers = None

    def on_train_batch_start(self, batch: TextBatch, batch_idx: int) -> None:
        """Set the learning rate of this step."""
        r = self.recipe
        rate = warmed_cosine(self.step, r.steps, r.warmup, r.lr, r.last_lr)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = rate

    def training_step(self, batch: TextBatch, batch_idx: int) -> Tensor:
        """Return the answers' cross-entropy under sampled masks, plus λ times the active heads."""
        r, step = self.recipe, self.step
        noise_NLA = left_gumbel(
            (len(batch.texts), *self.logits_LA.shape), self._generator(step, self.global_rank)
        )
        tau = annealed_tau(step, r.steps, r.tau_start, r.tau_end, r.tau_share)
        masks_NLA = sample_masks(self.logits_LA, noise_NLA.to(self.device), tau).hard
        scores = self._scores(batch, masks_NLA)
        entropy = -scores.log_p_NS.sum() / scores.real_NS.sum()
        loss = entropy + sparsity_loss(masks_NLA, r.sparsity)
        if not bool(torch.isfinite(loss)):
            raise RunError(f"The loss of step {step} is not finite: use model.dtype=bfloat16 or float32.")
        self.log_dict(
            {
                "step": float(step),
                "train/loss": loss.detach(),
                "train/cross_entropy": entropy.detach(),
                "train/share_on": masks_NLA.detach().mean(),
                "mask/share_on": trained_mask(self.logits_LA).to(torch.float32).mean(),
                "train/tau": tau,
                "train/lr": self.trainer.optimizers[0].param_groups[0]["lr"],
            },
            batch_size=len(batch.texts),
        )
        return loss

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        """Record that logits and averages are inconsistent until the step is over."""
        self._mid_step = True

    def on_train_batch_end(self, outputs: Any, batch: TextBatch, batch_idx: int) -> None:
        """Save the state if a checkpoint is due."""
        self._mid_step = False
        if self.step % self.recipe.save_every == 0:
            self.save_state()

    def save_state(self) -> None:
        """Write what a resumed training needs, on the first rank.

        Do nothing within a step, or after the last one, which writes the mask.
        """
        if self.state_file is None or self._mid_step or not self.first < self.step < self.recipe.steps:
            return
        if self.trainer.is_global_zero:
            averages = self.trainer.optimizers[0].state[self.logits_LA]
            MaskState(self.job, self.step, self.logits_LA, averages["exp_avg"], averages["exp_avg_sq"]).save(
                self.state_file
            )
        self.saved = self.step

    def on_validation_epoch_start(self) -> None:
        """Reset the sums."""
        self._sums = torch.zeros(4, dtype=torch.float64, device=self.device)

    def validation_step(self, batch: TextBatch, batch_idx: int) -> None:
        """Score answers under the trained mask."""
        scores = self._scores(batch, trained_mask(self.logits_LA))
        exact_N = scores.right_NS.all(1)
        for place, part in enumerate((scores.log_p_NS, scores.real_NS, exact_N)):
            self._sums[place] += part.sum()
        self._sums[3] += len(exact_N)

    def on_validation_epoch_end(self) -> None:
        """Average over the clips of all ranks and record the result."""
        log_p, tokens, exact, clips = sum_over_ranks(self._sums).tolist()
        if clips:
            found = Validation(self.step, -log_p / tokens, exact / clips, int(clips))
            self.validations.append(found)
            values = {"step": float(found.step), "val/loss": found.loss, "val/exact": found.exact}
            # Already summed over all ranks.
            self.log_dict(values, rank_zero_only=True)

    def _scores(self, batch: TextBatch, mask: Tensor) -> Any:
        if batch.failures:
            raise BadClipError(batch.failures[0])
        self.odd |= batch.odd
        assert self._gates is not None
        # Kept until the backward pass is over: it runs checkpointed layers again.
        self._gates.set(mask)
        return self.lalm.answer_scores(batch.inputs, batch.texts)

    def _generator(self, *parts: object) -> torch.Generator:
        """Return a CPU generator for a purpose, step and rank: its numbers do not depend on the device."""
        number = stable_number(self.seed, "mask", *parts)
        return torch.Generator().manual_seed(number % 2**63)
