"""Runs one phase of training, or takes its result from an earlier run."""

from __future__ import annotations

from pathlib import Path

import lightning
from safetensors.torch import load_file, save_file
from torch.utils.data import DataLoader

from tiny_lalm.progress import Progress


def fit(
    module: lightning.LightningModule,
    batches: DataLoader[object],
    steps: int,
    name: str,
    state: Path,
) -> None:
    """Train one phase, or take its result from ``state`` where an earlier run left it."""
    if state.exists():
        module.load_state_dict(load_file(state))
        return
    trainer = lightning.Trainer(
        accelerator="auto",
        devices=1,
        precision="bf16-mixed",
        max_steps=steps,
        gradient_clip_val=1.0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[Progress(name, every=50)],
    )
    trainer.fit(module, batches)
    module.cpu()
    save_file({k: v.contiguous() for k, v in module.state_dict().items()}, state)
