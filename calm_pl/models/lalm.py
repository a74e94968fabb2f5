"""`FrozenLALM`: a frozen audio language model that turns clips into head vectors and logits."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn

from calm_pl.models import qwen2_audio
from calm_pl.models.heads import HeadLayout, head_layout, last_positions, stack_heads, tapped
from calm_pl.models.identity import weights_fingerprint
from calm_pl.models.loading import load_checkpoint
from calm_pl.models.preparer import Preparer


class LalmOutput(NamedTuple):
    """What one forward pass gives.

    Attributes:
        vectors_NHD: head vectors at the last prompt token, layer-major, in the model's dtype.
        logits_NV: logits of the next token, float32.
    """

    vectors_NHD: Tensor
    logits_NV: Tensor


class FrozenLALM(nn.Module):
    """A frozen audio language model.

    Args:
        model: a `transformers` model of a supported family.
        preparer: makes its inputs.
        path: where it came from, for reports.
        last_n_tokens: prompt tokens whose head vectors are averaged; 1 is the last prompt token alone.
    """

    def __init__(self, model: Any, preparer: Preparer, path: str = "", last_n_tokens: int = 1) -> None:
        super().__init__()
        self.model: Any = model.eval().requires_grad_(False)
        self.preparer = preparer
        self.path = path
        self.last_n_tokens = last_n_tokens
        self.layout: HeadLayout = head_layout(self._decoder)
        self._fingerprint: str | None = None

    @classmethod
    def from_pretrained(
        cls,
        path: str,
        *,
        revision: str | None = None,
        dtype: str = "auto",
        attn: str = "sdpa",
        last_n_tokens: int = 1,
    ) -> Self:
        """Load a local folder, a hub id, or `bundled:NAME`.

        Args:
            path: the checkpoint.
            revision: branch, tag or commit of a hub id.
            dtype: `float32`, `bfloat16`, `float16`, or `auto`: the checkpoint's own where a GPU is present,
                float32 on a CPU.
            attn: `sdpa`, `eager` or `flash_attention_2`.
            last_n_tokens: see the class.

        Raises:
            ModelError: not there, not a supported audio language model, or without a needed file.
        """
        model, processor = load_checkpoint(path, revision=revision, dtype=dtype, attn=attn)
        return cls(model, qwen2_audio.Qwen2AudioPreparer(processor), path, last_n_tokens)

    @property
    def _decoder(self) -> Any:
        return self.model.get_decoder()

    @torch.inference_mode()
    def forward(self, inputs: dict[str, Tensor]) -> LalmOutput:
        """Head vectors and next-token logits of N prompts from one pass.

        Args:
            inputs: what `preparer` made, on the model's device.
        """
        positions_NK = last_positions(inputs["attention_mask"], self.last_n_tokens)
        with tapped(self._decoder, positions_NK) as caught:
            hidden_NTE = qwen2_audio.last_hidden_state(self.model, inputs)
        rows_N = torch.arange(len(hidden_NTE), device=hidden_NTE.device)
        last_NE = hidden_NTE[rows_N, positions_NK[:, -1].to(hidden_NTE.device)]
        return LalmOutput(
            stack_heads(caught, self.layout), qwen2_audio.next_token_logits(self.model, last_NE)
        )

    def identity(self) -> dict[str, Any]:
        """What makes head vectors of this model comparable with others: weights, dtype, prompt, features."""
        if self._fingerprint is None:
            self._fingerprint = weights_fingerprint(self.model)
        return {
            "weights": self._fingerprint,
            "class": type(self.model).__name__,
            "dtype": str(self.model.dtype).removeprefix("torch."),
            "attn": self.model.config._attn_implementation,
            "last_n_tokens": self.last_n_tokens,
            "inputs": self.preparer.describe(),
        }
