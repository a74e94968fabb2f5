"""Zero-shot prompting: the model chooses an option by letter, by text, or in generated words."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from calm_pl.data.loading.batches import ModelPass
from calm_pl.data.questions.prompts import LETTERS
from calm_pl.models import DeferredLALM, FrozenLALM, LalmOutput
from calm_pl.models.answers import parse_answer

MAX_NEW_TOKENS = 24  # of a generated answer


def option_scores(
    lalm: FrozenLALM | DeferredLALM,
    mode: str,
    one: ModelPass,
    output: LalmOutput,
    options_RO: Tensor,
    shown: Sequence[str],
) -> Tensor:
    """Return the score of each option, (R, O) float32; -inf beyond a question's last option.

    Args:
        lalm: the model.
        mode: `letters`: log-probability that the letter comes next, over all tokens that spell it; `text`:
            mean log-probability per token of the option's text after the prompt; `generate`: 0 for the option
            that the generated answer names and -inf for the others, or -inf for all if it names none or
            several. A CLAP model has no such modes: its score is its scale times the cosine of the sound and
            the sentence about the option.
        one: a pass of R rows.
        output: the pass's output.
        options_RO: class indices, -1 beyond the last option.
        shown: labels as the model reads them, in class order; letters alone need none.
    """
    letters = LETTERS[: options_RO.shape[1]]
    if not letters:
        return output.logits_NV.new_zeros(len(options_RO), 0)
    if not output.logits_NV.shape[1]:  # a CLAP model, which has no vocabulary
        scores_RO = lalm.similarities(output.hidden_NE, _option_texts(options_RO, shown))
    elif mode == "letters":
        log_p_RV = torch.log_softmax(output.logits_NV, -1)
        spellings = [lalm.preparer.option_tokens(letter) for letter in letters]
        scores_RO = torch.stack([log_p_RV[:, ids].logsumexp(-1) for ids in spellings], -1)
    elif mode == "text":
        scores_RO = lalm.option_text_scores(one.inputs, _option_texts(options_RO, shown))
    else:
        scores_RO = torch.full(options_RO.shape, -torch.inf, device=options_RO.device)
        for r, text in enumerate(lalm.generate(one.inputs, MAX_NEW_TOKENS)):
            listed = [c for c in options_RO[r].tolist() if c >= 0]
            choice = parse_answer(text, letters[: len(listed)], [shown[c] for c in listed])
            if choice is not None:
                scores_RO[r, choice] = 0.0
    return scores_RO.masked_fill(options_RO < 0, -torch.inf)


def _option_texts(options_RO: Tensor, shown: Sequence[str]) -> list[list[str]]:
    """Return labels; a question with fewer options repeats its first one, which is masked afterwards."""
    return [[shown[c if c >= 0 else row[0]] for c in row] for row in options_RO.tolist()]


def turned_options(options_RO: Tensor, turn: int) -> Tensor:
    """Rotate the options by `turn` places, so that the option at place `turn` comes first."""
    return torch.roll(options_RO, -turn, dims=1)


def mean_over_orders(scores: Sequence[Tensor]) -> Tensor:
    """Return the log of each option's mean probability over orders, (N, O), in the first order.

    Args:
        scores: (N, O) for each order; in order n, options are rotated by n places.
    """
    if len(scores) == 1:
        return scores[0]
    p_KNO = torch.stack(
        [torch.roll(_probabilities(scores_NO), turn, dims=1) for turn, scores_NO in enumerate(scores)]
    )
    return p_KNO.mean(0).log()


def class_probabilities(scores_NO: Tensor, options_NO: Tensor, num_classes: int) -> Tensor:
    """Return the zero-shot probability of each class, (N, C) float32.

    Classes that are not options have 0; all classes have 0 if no option was chosen.

    Args:
        scores_NO: logarithms of the options' scores.
        options_NO: classes in the order of the letters; -1 beyond the last option.
        num_classes: C.
    """
    p_NO = _probabilities(scores_NO)
    p_NC = torch.zeros(len(p_NO), num_classes, device=p_NO.device)
    return p_NC.scatter_add(1, options_NO.clamp(min=0), p_NO)


def _probabilities(scores_NO: Tensor) -> Tensor:
    """Return the softmax over the options; all 0 if all scores are -inf."""
    none_N1 = (scores_NO == -torch.inf).all(1, keepdim=True)
    return torch.softmax(scores_NO.masked_fill(none_N1, 0.0), -1).masked_fill(none_N1, 0.0)
