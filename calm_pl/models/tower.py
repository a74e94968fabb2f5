"""Pool what a model's audio tower makes of a clip: the states that its projector gets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from calm_pl.errors import ModelError


class Tower(NamedTuple):
    """Where the states of a family's audio tower are.

    Attributes:
        projector: from a model to the module whose input they are.
        is_alone: whether the projector gets one clip per call, with no padding; otherwise a clip has as many
            states as audio tokens, and padding follows them.
    """

    projector: Callable[[Any], nn.Module]
    is_alone: bool = False


@contextmanager
def tower_tapped(projector: nn.Module) -> Iterator[list[Tensor]]:
    """Keep what the projector gets while the block runs, one tensor per call."""
    seen: list[Tensor] = []
    handle = projector.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    try:
        yield seen
    finally:
        handle.remove()


def pooled_tower(seen: Sequence[Tensor], tokens_N: Sequence[int], is_alone: bool = False) -> Tensor:
    """Return mean and standard deviation of each clip's states, (N, 2, E) float32; padding does not count.

    The deviation is that of the states themselves (divided by their number); of a single one it is 0.

    Args:
        seen: the projector's inputs: (states, E) of all clips in turn; or (windows, states, E) with padding
            at the end of each clip's last window.
        tokens_N: audio tokens of each clip.
        is_alone: see `Tower`.

    Raises:
        ModelError: other states than these numbers of tokens need.
    """
    if is_alone:
        clips = [states.flatten(0, -2) for states in seen]
    elif seen[0].dim() == 3:
        clips = _clips_of_windows(torch.cat(list(seen)), tokens_N)
    else:
        states_TE = torch.cat(list(seen))
        clips = list(states_TE.split(list(tokens_N))) if len(states_TE) == sum(tokens_N) else []
    if len(clips) != len(tokens_N):
        raise ModelError(
            f"The audio tower's states, {[tuple(states.shape) for states in seen]}, do not fit prompts with"
            f" {list(tokens_N)} audio tokens. Is this version of transformers the one that calm_pl was tested"
            " with (`list models`)?"
        )
    return torch.stack([_pooled(states_TE) for states_TE in clips])


def _clips_of_windows(states_WTE: Tensor, tokens_N: Sequence[int]) -> list[Tensor]:
    """Cut windows into clips; all windows of a clip but the last one are full."""
    size = states_WTE.shape[1]
    clips, first = [], 0
    for tokens in tokens_N:
        windows = -(-tokens // size)
        clips.append(states_WTE[first : first + windows].flatten(0, 1)[:tokens])
        first += windows
    return clips if first == len(states_WTE) else []


def _pooled(states_TE: Tensor) -> Tensor:
    states_TE = states_TE.to(torch.float32)
    mean_E = states_TE.mean(0)
    return torch.stack([mean_E, (states_TE - mean_E).square().mean(0).sqrt()])
