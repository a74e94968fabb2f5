"""One optimiser for all phases: AdamW with warm-up and a cosine."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import nn


def adamw(
    rates: list[tuple[Iterable[nn.Module], float]], steps: int, warmup: int = 100
) -> OptimizerLRScheduler:
    """Return AdamW for modules with their learning rates.

    Matrices of linear layers and convolutions decay; embeddings, norms and biases do not.
    """
    groups = []
    for modules, rate in rates:
        decaying: list[nn.Parameter] = []
        others: list[nn.Parameter] = []
        for module in modules:
            for part in module.modules():
                decays = isinstance(part, nn.Linear | nn.Conv1d)
                for name, parameter in part.named_parameters(recurse=False):
                    if parameter.requires_grad:
                        matrix = decays and name == "weight"
                        (decaying if matrix else others).append(parameter)
        groups.append({"params": decaying, "lr": rate, "weight_decay": 0.02})
        groups.append({"params": others, "lr": rate, "weight_decay": 0.0})
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98))

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps)))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
