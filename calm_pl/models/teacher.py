"""Given answers after a prompt, in one pass without a cache: what training of a mask needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from calm_pl.errors import ModelError
from calm_pl.models.families.table import Family, Inputs, next_token_logits
from calm_pl.models.given import texts_given
from calm_pl.models.heads import last_positions
from calm_pl.models.preparer import Preparer


class AnswerScores(NamedTuple):
    """Given answers of N clips, S tokens the longest, each with the token that ends it.

    Attributes:
        log_p_NS: log-probability of each token after those before it, float32; 0 past the end.
        right_NS: whether it is the likeliest, so that greedy decoding says it; true past the end.
        real_NS: whether it belongs to the answer, bool.
    """

    log_p_NS: Tensor
    right_NS: Tensor
    real_NS: Tensor


def answer_scores(
    model: Any, family: Family, preparer: Preparer, inputs: Inputs, answers: Sequence[str]
) -> AnswerScores:
    """Score given answers; see `FrozenLALM.answer_scores`."""
    device = inputs["input_ids"].device
    answers = texts_given("answers", answers, len(inputs["input_ids"]))
    spelt = [preparer.tokenizer.encode(text, add_special_tokens=False) for text in answers]
    if not all(spelt):
        raise ModelError(
            f"Expected an answer, not empty, for each of {len(inputs['input_ids'])} clips, but got"
            f" {list(answers)}."
        )
    end, longest = preparer.answer_end(), max(map(len, spelt)) + 1
    ids_NS = torch.full((len(spelt), longest), end, device=device)
    real_NS = torch.zeros(len(spelt), longest, dtype=torch.bool, device=device)
    for n, ids in enumerate(spelt):
        ids_NS[n, : len(ids)] = torch.tensor(ids, device=device)
        real_NS[n, : len(ids) + 1] = True

    last_N1 = last_positions(inputs["attention_mask"], 1)
    first = inputs["attention_mask"].shape[1]
    whole = _followed_by(inputs, ids_NS[:, :-1], real_NS[:, 1:])
    output = family.prefill(model, whole, family.positions(model, whole), False)
    hidden_NTE = output.last_hidden_state
    # Of the prompt its last token alone; then the answer's own.
    steps_NS = torch.cat(
        [last_N1, torch.arange(first, first + longest - 1, device=device).expand(len(spelt), -1)], 1
    )
    rows_N1 = torch.arange(len(spelt), device=hidden_NTE.device)[:, None]
    hidden_NSE = hidden_NTE[rows_N1, steps_NS.to(hidden_NTE.device)]
    log_p_NSV = torch.log_softmax(next_token_logits(model, hidden_NSE), -1).to(device)
    log_p_NS = log_p_NSV.gather(-1, ids_NS[..., None]).squeeze(-1)
    right_NS = (log_p_NSV.argmax(-1) == ids_NS) | ~real_NS
    return AnswerScores(torch.where(real_NS, log_p_NS, 0.0), right_NS, real_NS)


def _followed_by(inputs: Inputs, ids_NS: Tensor, real_NS: Tensor) -> Inputs:
    """Append further tokens to prompts."""
    mask = inputs["attention_mask"]
    longer = {
        "input_ids": torch.cat([inputs["input_ids"], ids_NS], 1),
        "attention_mask": torch.cat([mask, real_NS.to(mask.dtype)], 1),
    }
    # Kinds of tokens: all of an answer's are text, 0.
    kinds = [name for name in inputs if name.endswith("token_type_ids")]
    return {
        **inputs,
        **longer,
        **{name: functional.pad(inputs[name], (0, ids_NS.shape[1])) for name in kinds},
    }
