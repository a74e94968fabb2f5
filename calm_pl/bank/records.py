"""Records: the results of one forward pass per clip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from calm_pl.bank.keys import key_bytes

DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
"""Dtypes by their name in safetensors."""


@dataclass
class Records:
    """Head vectors of N clips, with their keys, option scores and meta.

    Attributes:
        keys: N keys as `clip_key` makes them.
        vectors_NHD: head vectors, layer-major; float32, float16 or bfloat16.
        option_scores_NO: scores of the option letters at the last prompt token, float32; O may be 0. Entries
            beyond a clip's own number of options are -inf.
        meta: N dictionaries of JSON values, such as `id`, `path`, `label`, `seconds`, `prompt`.
        num_options_N: each clip's own number of options, int64; all O by default.

    Raises:
        ValueError: parts of different lengths, or a wrong shape or dtype.
    """

    keys: list[str]
    vectors_NHD: Tensor
    option_scores_NO: Tensor
    meta: list[dict[str, Any]]
    num_options_N: Tensor = None  # type: ignore[assignment]  # set below

    def __post_init__(self) -> None:
        count = len(self.keys)
        if self.vectors_NHD.ndim != 3 or self.vectors_NHD.dtype not in DTYPES.values():
            raise ValueError(
                "Expected `vectors_NHD` to be (N, H, D) float32, float16 or bfloat16, but got"
                f" {tuple(self.vectors_NHD.shape)} {self.vectors_NHD.dtype}."
            )
        if self.option_scores_NO.ndim != 2 or self.option_scores_NO.dtype != torch.float32:
            raise ValueError(
                "Expected `option_scores_NO` to be (N, O) float32, but got"
                f" {tuple(self.option_scores_NO.shape)} {self.option_scores_NO.dtype}."
            )
        if self.num_options_N is None:
            self.num_options_N = torch.full((count,), self.option_scores_NO.shape[1])
        sizes = {
            "vectors_NHD": len(self.vectors_NHD),
            "option_scores_NO": len(self.option_scores_NO),
            "meta": len(self.meta),
            "num_options_N": len(self.num_options_N),
        }
        if set(sizes.values()) != {count}:
            raise ValueError(f"Expected {count} of each part, one per key, but got {sizes}.")
        width = self.option_scores_NO.shape[1]
        if count and not 0 <= int(self.num_options_N.min()) <= int(self.num_options_N.max()) <= width:
            raise ValueError(f"Expected `num_options_N` between 0 and {width}, but got {self.num_options_N}.")
        for key in self.keys:
            key_bytes(key)

    def __len__(self) -> int:
        return len(self.keys)


class Found(NamedTuple):
    """Which keys a bank holds.

    Attributes:
        present_N: in the order of the keys, bool.
    """

    present_N: Tensor

    @property
    def missing(self) -> list[int]:
        """Positions of the keys that the bank does not hold."""
        return (~self.present_N).nonzero().flatten().tolist()
