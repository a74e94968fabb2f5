"""The settings of a mask's training."""

from __future__ import annotations

from dataclasses import dataclass

from calm_pl.validation import above_zero, at_least, finite_at_least, fraction, setting


@dataclass
class MaskRecipe:
    """How a mask is trained. The defaults suit small tasks; the paper's settings are in docs/ahamask.md."""

    steps: int = setting(600, at_least(1))
    """Optimizer steps."""
    lr: float = setting(0.05, above_zero())
    """Peak learning rate. A logit starts at 4 and moves by about this much per step."""
    last_lr: float = setting(1e-4, above_zero())
    """Learning rate of the last step, reached by a cosine."""
    warmup: int = setting(60, at_least(0))
    """Warm-up steps to the peak learning rate."""
    weight_decay: float = setting(0.0, finite_at_least(0))
    """Weight decay of AdamW; it pulls logits towards 0."""
    sparsity: float = setting(0.0, finite_at_least(0))
    """λ, the penalty per active head."""
    tau_start: float = setting(4.0, above_zero())
    """Initial temperature of the straight-through gradient."""
    tau_end: float = setting(0.5, above_zero())
    """Final temperature; 0.05 in the released code."""
    tau_share: float = setting(0.3, fraction())
    """Share of the steps over which the temperature falls."""
    init_mean: float = 4.0
    """Logits start at N(mean, std); at 4 a head is on 98.2 % of the time."""
    init_std: float = setting(0.02, finite_at_least(0))
    checkpoint_layers: bool = True
    """Gradient checkpointing: less memory for a second forward pass."""
    save_every: int = setting(100, at_least(1))
    """Steps between checkpoints from which an interrupted training resumes."""
    validate_every: int = setting(100, at_least(1))
    """Steps between validations; the last step is always validated."""
    log_every: int = setting(10, at_least(1))
    """Steps between lines of the log."""
