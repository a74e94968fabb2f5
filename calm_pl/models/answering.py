"""Zero-shot answers in words: option texts by likelihood, and greedy generation, from one cached prompt."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from calm_pl.errors import ModelError
from calm_pl.models.families.table import Family, Inputs, next_token_logits
from calm_pl.models.given import option_lists_given
from calm_pl.models.heads import last_positions
from calm_pl.models.kv_cache import cache_name, cache_of


class CachedPrompt:
    """A prompt that was run once, audio included, and can be continued.

    Args:
        model: the `transformers` model.
        family: its family.
        inputs: the prompts of N clips, on the model's device.

    Attributes:
        hidden_NE: the last hidden state of each prompt.
        logits_NV: of the first token after each prompt.
    """

    def __init__(self, model: Any, family: Family, inputs: Inputs) -> None:
        self._model = model
        self._mask_NT = inputs["attention_mask"]
        positions = family.positions(model, inputs)
        # The highest position of a prompt is its last token's, also where pictures have positions of three
        # dimensions; all of them go on from there.
        highest_N = positions.amax(-1) if positions.dim() == 2 else positions.amax((0, 2))
        self._next_N = highest_N + 1
        self._dimensions = None if positions.dim() == 2 else positions.shape[0]
        output = family.prefill(model, inputs, positions, True)
        self._cache = cache_of(output)
        hidden_NTE = output.last_hidden_state
        last_N = last_positions(self._mask_NT, 1)[:, 0].to(hidden_NTE.device)
        rows_N = torch.arange(len(hidden_NTE), device=hidden_NTE.device)
        self.hidden_NE = hidden_NTE[rows_N, last_N]
        self.logits_NV = next_token_logits(model, self.hidden_NE).to(self._mask_NT.device)

    def __len__(self) -> int:
        return len(self._mask_NT)

    def branch(self) -> CachedPrompt:
        """Return a copy that can be continued without changing this one."""
        other = copy.copy(self)
        other._cache = copy.deepcopy(self._cache)
        return other

    def take(self, rows_R: Tensor) -> None:
        """Keep only these rows, in their order; a row may occur several times. In place.

        Args:
            rows_R: int64 indices of the present rows.
        """
        # Indices on the CPU fit layers on any device.
        self._cache.batch_select_indices(rows_R.cpu())
        self._mask_NT, self._next_N = self._mask_NT[rows_R], self._next_N[rows_R]
        self.logits_NV = self.logits_NV[rows_R]

    def extend(self, ids_NS: Tensor, mask_NS: Tensor) -> Tensor:
        """Append S tokens, real where `mask_NS` is 1, right-padded; return logits (N, S, V) after each."""
        hidden_NSE = self.extended(ids_NS, mask_NS)
        return next_token_logits(self._model, hidden_NSE).to(ids_NS.device)

    def extended(self, ids_NS: Tensor, mask_NS: Tensor) -> Tensor:
        """Append S tokens as `extend` does; return the last hidden states (N, S, E) instead of logits."""
        steps = mask_NS.cumsum(-1) - 1
        positions = self._next_N[:, None] + steps.clamp(min=0)
        if self._dimensions is not None:
            positions = positions.expand(self._dimensions, -1, -1)
        self._mask_NT = torch.cat([self._mask_NT, mask_NS], -1)
        self._next_N = self._next_N + mask_NS.sum(-1)
        output = self._model.model(
            input_ids=ids_NS,
            attention_mask=self._mask_NT,
            position_ids=positions,
            use_cache=True,
            **{cache_name(): self._cache},
        )
        self._cache = cache_of(output)
        hidden_NSE: Tensor = output.last_hidden_state
        return hidden_NSE


def option_text_scores(
    model: Any, family: Family, tokenizer: Any, inputs: Inputs, options: Sequence[Sequence[str]]
) -> Tensor:
    """Return the mean log-likelihood (N, O) of each option's tokens; see `FrozenLALM.option_text_scores`."""
    options = option_lists_given(options, len(inputs["input_ids"]))
    prompt = CachedPrompt(model, family, inputs)
    columns = [_score_texts(prompt.branch(), tokenizer, texts_N) for texts_N in zip(*options, strict=True)]
    return torch.stack(columns, 1)


def _score_texts(prompt: CachedPrompt, tokenizer: Any, texts_N: Sequence[str]) -> Tensor:
    """Return the mean log-likelihood (N,) of one text per clip."""
    spelt = [tokenizer.encode(text, add_special_tokens=False) for text in texts_N]
    if not all(spelt):
        raise ModelError(f"An option is empty: {list(texts_N)}.")
    device, longest = prompt.logits_NV.device, max(map(len, spelt))
    ids_NS = torch.tensor([ids + [0] * (longest - len(ids)) for ids in spelt], device=device)
    mask_NS = torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids in spelt], device=device)
    logits_NSV = prompt.logits_NV[:, None]
    if longest > 1:
        rest_NSV = prompt.extend(ids_NS[:, :-1], mask_NS[:, :-1])
        logits_NSV = torch.cat([logits_NSV, rest_NSV], 1)
    log_p_NS = torch.log_softmax(logits_NSV, -1).gather(-1, ids_NS[..., None]).squeeze(-1)
    return (log_p_NS * mask_NS).sum(-1) / mask_NS.sum(-1)


def generate(model: Any, family: Family, tokenizer: Any, inputs: Inputs, max_new_tokens: int) -> list[str]:
    """Generate greedy answers to N prompts; see `FrozenLALM.generate`."""
    prompt = CachedPrompt(model, family, inputs)
    ends = end_tokens(model, tokenizer).to(prompt.logits_NV.device)
    token_N = prompt.logits_NV.argmax(-1)
    running_N = ~torch.isin(token_N, ends)
    said: list[list[int]] = [[] for _ in range(len(prompt))]
    while running_N.any():
        for n in running_N.nonzero().flatten().tolist():
            said[n].append(int(token_N[n]))
        if max(map(len, said)) >= max_new_tokens:
            break
        logits_NV = prompt.extend(token_N[:, None], running_N.long()[:, None])[:, -1]
        token_N = torch.where(running_N, logits_NV.argmax(-1), token_N)
        running_N = running_N & ~torch.isin(token_N, ends)
    return [tokenizer.decode(ids, skip_special_tokens=True).strip() for ids in said]


def end_tokens(model: Any, tokenizer: Any) -> Tensor:
    """Return the tokens that end an answer, from generation settings and tokenizer; int64."""
    configured = getattr(model.generation_config, "eos_token_id", None)
    ends = set(configured) if isinstance(configured, (list, tuple)) else {configured}
    known = sorted(int(one) for one in ends | {tokenizer.eos_token_id} if one is not None)
    return torch.tensor(known, dtype=torch.int64)
