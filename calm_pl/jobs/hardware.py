"""The hardware of a job: what it runs on, and what stops it from running there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from calm_pl.config.schema import ModelConfig, TrainerConfig
from calm_pl.errors import RunError

if TYPE_CHECKING:
    from lightning.pytorch import Trainer

_NVIDIA = Path("/proc/driver/nvidia/gpus")


def refuse_silent_cpu(
    settings: TrainerConfig, environment: Mapping[str, str] = os.environ, gpus: Path = _NVIDIA
) -> None:
    """Stop a job that would run on the CPU although the machine has an NVIDIA GPU, as with an old driver.

    Args:
        settings: of the trainer; `accelerator=cpu` asks for the CPU.
        environment: an empty `CUDA_VISIBLE_DEVICES` asks for it too.
        gpus: where the driver lists its devices.

    Raises:
        RunError: why CUDA does not work.
    """
    import torch

    hidden = environment.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    if settings.accelerator not in ("auto", "gpu", "cuda") or hidden or torch.cuda.is_available():
        return
    if not gpus.is_dir() or not any(gpus.iterdir()):
        return
    try:
        torch.cuda.init()
        reason = "torch.cuda.is_available() is false"
    except (RuntimeError, AssertionError) as error:
        reason = " ".join(str(error).split())
    raise RunError(
        f"The machine has an NVIDIA GPU, but PyTorch {torch.__version__} cannot use it: {reason.rstrip('.')}."
        " Mend that, or run on the CPU with trainer.accelerator=cpu."
    )


def refuse_spread_model(model: ModelConfig, trainer: Trainer) -> None:
    """Refuse several ranks where each would spread the model over the same GPUs.

    Raises:
        RunError: `model.device_map` with more than one rank.
    """
    if model.device_map is not None and trainer.world_size > 1:
        raise RunError(
            f"model.device_map={model.device_map} spreads the model over all GPUs of a node, and each of"
            f" {trainer.world_size} ranks would do so: set trainer.devices=1, or leave model.device_map out."
        )


def device_facts() -> dict[str, str]:
    """Return the GPU's name, its driver and the CUDA version of PyTorch; nothing on a CPU."""
    import torch

    if not torch.cuda.is_available():
        return {}
    return {
        "gpu": torch.cuda.get_device_name(),
        "driver": _driver_version(),
        "cuda": str(torch.version.cuda),
    }


def _driver_version(file: Path = Path("/proc/driver/nvidia/version")) -> str:
    """Return the driver's version from the kernel module's own words; empty where they are not there."""
    try:
        words = file.read_text(encoding="utf-8").split("\n", 1)[0].split()
    except OSError:
        return ""
    numbers = [word for word in words if word[:1].isdigit() and word.count(".") >= 1]
    return numbers[0] if numbers else ""
