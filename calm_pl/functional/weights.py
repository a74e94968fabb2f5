"""From reliabilities to weights: the k most reliable heads, weighted (eqs. 8 and 12)."""

from __future__ import annotations

import torch
from torch import Tensor


def top_heads(r_CH: Tensor, top_k: int | None, live_H: Tensor | None = None) -> Tensor:
    """Return the indices of the `top_k` most reliable heads of each row, best first, (C, K) int64.

    Equal reliabilities are taken in the order of head indices. They are not rare: margins saturate at
    exactly 1 for small τ_p. `top_k` None, or above H, keeps all H; if `live_H` (bool) is given, heads outside
    it are not kept.
    """
    heads = r_CH.shape[-1]
    if live_H is not None:
        heads, r_CH = int(live_H.sum()), r_CH.masked_fill(~live_H, -torch.inf)
    keep = heads if top_k is None else min(top_k, heads)
    return torch.sort(r_CH, dim=-1, descending=True, stable=True).indices[..., :keep]


def head_weights(
    r_CH: Tensor,
    top_k: int | None = None,
    tau_w: float = 0.5,
    weight_map: str = "softmax",
    live_H: Tensor | None = None,
) -> Tensor:
    """Return the weights of the heads (eqs. 8, 12), (C, H) float32: each row sums to 1.

    Args:
        r_CH: reliabilities; a global one is a single row.
        top_k: heads that keep a weight; all others have exactly 0.
        tau_w: τ_w > 0.
        weight_map: `softmax`, the paper's softmax(r/τ_w); `power`, the released code's w ∝ r^(1/τ_w), where
            a negative reliability counts as 0. A row whose kept reliabilities are all 0 is uniform over them.
        live_H: heads that may have a weight, bool; all if None.
    """
    kept_CK = top_heads(r_CH, top_k, live_H)
    r_CK = r_CH.gather(-1, kept_CK).to(torch.float64)
    # The power map in the log domain: r^(1/τ_w) itself underflows for small τ_w.
    logits_CK = r_CK if weight_map == "softmax" else r_CK.clamp(min=0).log()
    empty_C1 = (logits_CK == -torch.inf).all(-1, keepdim=True)
    logits_CK = torch.where(empty_C1, torch.zeros_like(logits_CK), logits_CK)
    # The largest first becomes 0: r/τ_w itself overflows for very small τ_w.
    w_CK = torch.softmax((logits_CK - logits_CK.amax(-1, keepdim=True)) / tau_w, dim=-1).to(torch.float32)
    return torch.zeros(r_CH.shape, dtype=torch.float32, device=r_CH.device).scatter(-1, kept_CK, w_CK)
