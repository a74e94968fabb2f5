"""Where voters are fitted if the support's vectors are not on the model's device, such as on disk."""

from __future__ import annotations

import torch
from torch import Tensor

from calm_pl.distributed import concatenate_over_ranks
from calm_pl.voters.gram import MAX_CLIPS

# What a fit takes at most, besides the vectors:
_BLOCKS = 2**31  # parts of them in float64, and their scores
_PAIR_MATRICES = 6  # (N, N) float64, of methods that compare all clips with each other
_CLASS_SUMS = 6  # (C, H, D) float64


def fit_device(vectors_NHD: Tensor, num_clips: int, num_classes: int, device: torch.device) -> torch.device:
    """Return where voters are fitted: on the model's device, unless it lacks the memory for spilled vectors.

    Spilled vectors are read there a few clips or heads at a time. Every rank must call this; all fit on the
    same kind of device.

    Args:
        vectors_NHD: of this rank, where they are.
        num_clips: of all ranks.
        num_classes: C.
        device: the model's, of this rank.
    """
    fits = True
    if device.type == "cuda" and vectors_NHD.device != device:
        _, heads, dim = vectors_NHD.shape
        pairs = _PAIR_MATRICES * num_clips**2 if num_clips <= MAX_CLIPS else 0  # with more, none are compared
        held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        room = torch.cuda.mem_get_info(device)[0] + held
        fits = _BLOCKS + 8 * (pairs + _CLASS_SUMS * num_classes * heads * dim) <= room
    return device if all(concatenate_over_ranks([fits])) else torch.device("cpu")
