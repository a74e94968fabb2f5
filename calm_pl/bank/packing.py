"""Conversion between tensors and the contents of a shard."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from calm_pl.bank.keys import canonical
from calm_pl.bank.records import DTYPES, Records
from calm_pl.bank.writing import Kind, Rows, record_crc


def vector_buffers(vectors_NHD: Tensor) -> np.ndarray:
    """View N records' vectors as bytes, (N, bytes) uint8, sharing memory with the tensor."""
    return vectors_NHD.reshape(len(vectors_NHD), -1).view(torch.uint8).numpy()


def empty_vectors(kind: Kind, count: int) -> Tensor:
    """Allocate the vectors of N records, (N, H, D)."""
    return torch.empty(count, kind.num_heads, kind.head_dim, dtype=DTYPES[kind.dtype])


def pack(records: Records, chosen: Sequence[int], digests: Sequence[bytes], buffers: np.ndarray) -> Rows:
    """Return what is stored of records, except their vectors' bytes (N, bytes)."""
    scores_NO = records.option_scores_NO.detach().cpu().numpy()
    options = [scores_NO[i, : int(records.num_options_N[i])].tobytes() for i in chosen]
    meta = [canonical(records.meta[i]).encode() for i in chosen]
    keys = [digests[i] for i in chosen]
    crcs = [record_crc(*parts) for parts in zip(keys, options, meta, buffers, strict=True)]
    created_N = np.full(len(chosen), time.time_ns(), dtype=np.int64)
    return Rows(keys, created_N, np.array(crcs, dtype=np.int64), options, meta)


def unpack(
    keys: Sequence[str], vectors_NHD: Tensor, options: Sequence[bytes], meta: Sequence[bytes]
) -> Records:
    """Convert what was read into records; the inverse of `pack`."""
    num_options = [len(part) // 4 for part in options]
    scores_NO = torch.full((len(keys), max(num_options, default=0)), -torch.inf)
    for i, part in enumerate(options):
        if part:
            scores_NO[i, : num_options[i]] = torch.frombuffer(bytearray(part), dtype=torch.float32)
    return Records(
        list(keys),
        vectors_NHD,
        scores_NO,
        [json.loads(text) for text in meta],
        torch.tensor(num_options, dtype=torch.int64),
    )
