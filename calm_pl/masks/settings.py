"""The settings of fit-mask: the training, its task as clips and answers, and the whole configuration."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

from calm_pl.config.schema import ModelConfig, RunConfig, TrainerConfig, WandbConfig
from calm_pl.validation import above_zero, at_least, finite_at_least, fraction, one_of, setting


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


@dataclass
class TextSettings:
    """A task as clips and their answers."""

    manifest: str = "???"
    """Manifest of the training clips: CSV, TSV, JSON or JSONL, with a column of paths and one of texts."""
    val_manifest: Optional[str] = None
    """Manifest of the validation clips; null uses the rows of `manifest` whose split is `validation`."""
    root: Optional[str] = None
    """The folder that paths are relative to; null uses each manifest's folder."""
    allow_outside: bool = False
    """Allow paths outside `root`."""
    path_column: Optional[str] = None
    """null uses the first of `path`, `wav`, `audio`, `file`, `filename` and `video` that exists."""
    text_column: Optional[str] = None
    """null uses the first of `text`, `target`, `answer`, `transcript`, `sentence` and `label` that exists."""
    split_column: str = "split"
    """Rows with splits other than `train` and `validation` are ignored; without this column all rows are for
    training."""
    question: str = ""
    """Text in the prompt besides the clip; normally empty, since a mask replaces it."""
    batch_size: int = setting(8, at_least(1))
    """Clips per step on each rank."""
    num_workers: int = setting(2, at_least(0))
    """Processes that decode audio on each rank."""
    long_clips: str = setting("start", one_of("start", "center", "stop"))
    """Part of a clip longer than the model's window to use; `stop` refuses it."""
    decode_seconds: float = setting(60.0, above_zero())
    """A file that takes longer to decode counts as unreadable."""


@dataclass
class TaskConfig(TextSettings):
    """The task that the mask is trained for, as clips and their answers."""

    name: str = "task"
    """Name of the task; it is stored in the mask's file."""


@dataclass
class MaskConfig:
    """Training of a mask over the heads of a frozen model."""

    model: ModelConfig = field(default_factory=ModelConfig)
    task: TaskConfig = field(default_factory=TaskConfig)
    mask: MaskRecipe = field(default_factory=MaskRecipe)
    seed: int = 0
    """Seed for initial values, noise and the order of clips."""
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    run: RunConfig = field(default_factory=RunConfig)
    wandb: WandbConfig = field(default_factory=WandbConfig)
