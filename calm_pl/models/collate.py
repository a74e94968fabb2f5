"""Collate inputs of single clips into a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

_PER_TOKEN = ("input_ids", "attention_mask")


def together(tokenizer: Any, parts: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
    """Collate N parts: tokens padded on the tokenizer's side, everything else with trailing zeros."""
    tokens = tokenizer.pad(
        {name: [part[name][0].tolist() for part in parts] for name in _PER_TOKEN},
        padding=True,
        padding_side=tokenizer.padding_side,
        return_tensors="pt",
    )
    names = [name for name in parts[0] if name not in _PER_TOKEN]
    batch = {name: _stacked([torch.as_tensor(part[name]) for part in parts]) for name in names}
    return {**{name: tokens[name] for name in _PER_TOKEN}, **batch}


def _stacked(rows: Sequence[Tensor]) -> Tensor:
    """Stack rows, each padded at the end to the longest in every other dimension."""
    sizes = [max(row.shape[d] for row in rows) for d in range(1, rows[0].dim())]
    padded = []
    for row in rows:
        missing = [size - have for size, have in zip(sizes, row.shape[1:], strict=True)]
        padded.append(functional.pad(row, [amount for m in reversed(missing) for amount in (0, m)]))
    return torch.cat(padded)
