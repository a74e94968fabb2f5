"""Processes that torchrun or SLURM started: how many of them belong to this job."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from calm_pl.config.schema import TrainerConfig
from calm_pl.errors import RunError


class Launched(NamedTuple):
    """A job of several processes that something else than Lightning started.

    Attributes:
        by: what did.
        per_node: processes on each node.
        nodes: how many nodes.
    """

    by: str
    per_node: int
    nodes: int


def launched(environment: Mapping[str, str] = os.environ) -> Launched | None:
    """Return what started this process beside others of its job; None where it is alone so far."""
    if "TORCHELASTIC_RUN_ID" in environment:
        per_node = int(environment.get("LOCAL_WORLD_SIZE", "1"))
        found = Launched("torchrun", per_node, int(environment.get("WORLD_SIZE", "1")) // per_node)
    else:  # of srun alone: a batch script has the numbers of the whole allocation, but is one process
        nodes = int(environment.get("SLURM_STEP_NUM_NODES", "1"))
        found = Launched("srun", int(environment.get("SLURM_STEP_NUM_TASKS", "1")) // nodes, nodes)
    return found if found.per_node * found.nodes > 1 else None


def as_launched(settings: TrainerConfig, found: Launched | None) -> TrainerConfig:
    """Return the settings of a trainer for the processes that were started, whatever one device would say.

    Each process would otherwise run the whole job by itself.

    Raises:
        RunError: the settings name another number of processes than were started.
    """
    if found is None:
        return settings
    number = _number(settings.devices)
    for key, value, asked, there in (
        ("devices", settings.devices, number, found.per_node),
        ("num_nodes", settings.num_nodes, settings.num_nodes, found.nodes),
    ):
        if asked not in (None, 1, there):
            what = "processes per node" if key == "devices" else "nodes"
            raise RunError(
                f"{found.by} started the job with {there} {what}, but trainer.{key} is {value!r}: leave"
                f" trainer.{key} out, or start as many."
            )
    devices = settings.devices if number == found.per_node else found.per_node
    return dataclasses.replace(settings, devices=devices, num_nodes=found.nodes)


def processes_here(settings: TrainerConfig, environment: Mapping[str, str] = os.environ) -> int:
    """Return how many processes of a job share this machine's memory."""
    number = _number(as_launched(settings, launched(environment)).devices)
    if number is not None:
        return number
    import torch

    return max(1, torch.cuda.device_count()) if settings.accelerator != "cpu" else 1


def _number(devices: Any) -> int | None:
    """Return how many devices a setting names; None where it leaves the number open."""
    if isinstance(devices, int):
        return devices
    if isinstance(devices, list):
        return len(devices)
    return None if devices == "auto" else len([one for one in str(devices).split(",") if one])
