"""Communication between ranks. Floor 0. Without distributed training there is a single rank."""

from __future__ import annotations

from typing import Any

import torch.distributed as dist
from torch import Tensor


def _alone() -> bool:
    return not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1


def lost_another_rank(error: Exception) -> bool:
    """Return whether a collective failed because its peer is gone, which is a consequence, not the cause."""
    return isinstance(error, dist.DistError) or "Connection closed by peer" in str(error)


def sum_over_ranks(tensor: Tensor) -> Tensor:
    """Return the sum of every rank's tensor, on every rank; every rank must call this."""
    if _alone():
        return tensor
    # NCCL only sums on GPUs; a fit may be on the CPU.
    total = tensor.cuda() if dist.get_backend() == "nccl" and not tensor.is_cuda else tensor.clone()
    dist.all_reduce(total, op=dist.ReduceOp.SUM)
    return total.to(tensor.device)


def concatenate_over_ranks(items: list[Any]) -> list[Any]:
    """Return every rank's short list, joined in rank order, on every rank; every rank must call this."""
    if _alone():
        return list(items)
    gathered: list[list[Any]] = [[] for _ in range(dist.get_world_size())]
    dist.all_gather_object(gathered, items)
    return [item for part in gathered for item in part]


def rank_and_size() -> tuple[int, int]:
    """Return this rank's number and the number of ranks."""
    return (0, 1) if _alone() else (dist.get_rank(), dist.get_world_size())


class SharedCount:
    """A number that every rank may add to and read at any time, without waiting for others.

    Args:
        name: the same on every rank, and used once in a job.
    """

    def __init__(self, name: str) -> None:
        self.name = f"calm_pl/{name}"
        self._own = 0

    def add(self, amount: int = 0) -> int:
        """Add to it; return the current sum over all ranks."""
        if _alone():
            self._own += amount
            return self._own
        # The store through which ranks found each other; PyTorch has no public access to it.
        return int(dist.distributed_c10d._get_default_store().add(self.name, amount))
