"""Several questions about one clip: what their prompts share, up to the sound's end, is computed once."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from calm_pl.models.families.table import Inputs

_PER_TOKEN = ("input_ids", "attention_mask")


class SharedSound(NamedTuple):
    """N prompts about G clips, G < N, cut after their sound.

    Attributes:
        clips: inputs of the G clips: their prompts' tokens up to the last of the sound, padded on the left so
            that no padding is between the parts.
        clip_N: the clip of each prompt, int64.
        ids_NS: the tokens after the sound, padded on the right.
        mask_NS: 1 for tokens, 0 for padding.
    """

    clips: Inputs
    clip_N: Tensor
    ids_NS: Tensor
    mask_NS: Tensor


def shared_sound(inputs: Inputs, audio_token_id: int, last_n: int) -> SharedSound | None:
    """Find neighbouring prompts with the same sound; None if there are none, or if they cannot be cut.

    They cannot be cut where the sound's tensors have not one row per prompt (video, clips in several
    windows), or where fewer than `last_n` tokens follow the sound.

    Args:
        inputs: of N prompts, padded on either side.
        audio_token_id: of the placeholder for sound.
        last_n: tokens at the end of each prompt that must be after the sound.
    """
    ids_NT, mask_NT = (inputs[name] for name in _PER_TOKEN)
    media = {name: tensor for name, tensor in inputs.items() if name not in _PER_TOKEN}
    num_prompts, width = ids_NT.shape
    if num_prompts < 2 or any(not one.dim() or len(one) != num_prompts for one in media.values()):
        return None
    columns_T = torch.arange(width, device=ids_NT.device)
    length_N1 = mask_NT.sum(-1, keepdim=True)
    # Padding moves to the right, whichever side it is on.
    ids_NT = _shifted(ids_NT, mask_NT.argmax(-1, keepdim=True), width)
    is_sound_NT = (ids_NT == audio_token_id) & (columns_T < length_N1)
    end_N1 = (is_sound_NT * (columns_T + 1)).amax(-1, keepdim=True)
    alike_N = (end_N1[1:] == end_N1[:-1])[:, 0] & (end_N1[1:, 0] > 0)
    alike_N &= ((ids_NT[1:] == ids_NT[:-1]) | (columns_T >= end_N1[1:])).all(-1)
    for one in media.values():
        alike_N &= (one[1:] == one[:-1]).reshape(num_prompts - 1, -1).all(-1)
    rest_N1 = length_N1 - end_N1
    if not bool(alike_N.any()) or int(rest_N1.min()) < last_n:
        return None
    is_first_N = torch.cat([torch.ones_like(alike_N[:1]), ~alike_N])
    first_G = is_first_N.nonzero()[:, 0]
    fill_N1 = ids_NT.gather(1, length_N1 - 1)  # a token after the sound: padding must not look like sound
    end_G1, longest = end_N1[first_G], int(end_N1.max())
    before_GP = torch.arange(longest, device=ids_NT.device) >= longest - end_G1
    clip_ids_GP = _shifted(ids_NT[first_G], end_G1 - longest, longest)
    mask_NS = torch.arange(int(rest_N1.max()), device=ids_NT.device) < rest_N1
    return SharedSound(
        {
            "input_ids": torch.where(before_GP, clip_ids_GP, fill_N1[first_G]),
            "attention_mask": before_GP.to(mask_NT.dtype),
            **{name: tensor[first_G] for name, tensor in media.items()},
        },
        is_first_N.cumsum(0) - 1,
        torch.where(mask_NS, _shifted(ids_NT, end_N1, mask_NS.shape[1]), fill_N1),
        mask_NS.to(mask_NT.dtype),
    )


def _shifted(ids_NT: Tensor, by_N1: Tensor, width: int) -> Tensor:
    """Return `width` columns of each row from its column `by` on; beyond the row, some token of it."""
    columns = torch.arange(width, device=ids_NT.device) + by_N1
    return ids_NT.gather(1, columns.clamp(0, ids_NT.shape[1] - 1))
