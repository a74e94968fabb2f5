"""The schema of fit-mask's configuration."""

from __future__ import annotations

from dataclasses import dataclass, field

from calm_pl.config.schema import ModelConfig, RunConfig, TrainerConfig, WandbConfig
from calm_pl.masks.recipe import MaskRecipe
from calm_pl.masks.text_settings import TextSettings


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
