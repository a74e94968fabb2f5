"""Several sampled answers to each prompt, all from one prefill."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from calm_pl.functional import sample_tokens
from calm_pl.models.answering import CachedPrompt, end_tokens


class Draws(NamedTuple):
    """How N prompts are continued, M times each.

    Attributes:
        temperature_NM: of each rollout, above 0.
        seed_NM: of each rollout's noise, int64; the noise depends on nothing else.
        top_p: see `sample_tokens`.
        max_new_tokens: the longest answer.
    """

    temperature_NM: Tensor
    seed_NM: Tensor
    top_p: float
    max_new_tokens: int

    def rows(self, start: int, count: int) -> Draws:
        """Return those of some prompts."""
        part = slice(start, start + count)
        return self._replace(temperature_NM=self.temperature_NM[part], seed_NM=self.seed_NM[part])


def sample_answers(model: Any, tokenizer: Any, prompt: CachedPrompt, draws: Draws) -> list[list[str]]:
    """Sample M answers to each of N prompts, all rollouts in one batch; consumes `prompt`.

    The cache of each prompt is repeated M times, and rows leave it as their answers end.

    Args:
        model: the `transformers` model.
        tokenizer: its tokenizer.
        prompt: the prompts, run once.
        draws: temperatures and noise.
    """
    num_prompts, rollouts = draws.temperature_NM.shape
    device = prompt.logits_NV.device
    ends = end_tokens(model, tokenizer).to(device)
    temperature, seed = draws.temperature_NM.flatten().to(device), draws.seed_NM.flatten().to(device)
    prompt.take(torch.arange(num_prompts, device=device).repeat_interleave(rollouts))
    row_R = torch.arange(num_prompts * rollouts, device=device)
    running_R = torch.ones_like(row_R, dtype=torch.bool)
    said: list[list[int]] = [[] for _ in range(len(row_R))]
    logits_RV = prompt.logits_NV
    for step in range(draws.max_new_tokens):
        token_R = sample_tokens(logits_RV, temperature[row_R], draws.top_p, seed[row_R], step)
        running_R = running_R & ~torch.isin(token_R, ends)
        going = running_R.nonzero().flatten()
        for row, token in zip(row_R[going].tolist(), token_R[going].tolist(), strict=True):
            said[row].append(token)
        if not len(going) or step == draws.max_new_tokens - 1:
            break
        # Every drop copies the cache, so only once half of its rows are done.
        if 2 * len(going) <= len(row_R):
            prompt.take(going)
            row_R, token_R, running_R = row_R[going], token_R[going], running_R[going]
        logits_RV = prompt.extend(token_R[:, None], running_R.long()[:, None])[:, -1]
    texts = [tokenizer.decode(ids, skip_special_tokens=True).strip() for ids in said]
    return [texts[start : start + rollouts] for start in range(0, len(texts), rollouts)]
