"""Doubts about a checkpoint's prompts that a reader of its results must know."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from calm_pl.models.chat import ChatPreparer
from calm_pl.models.preparer import Preparer


def template_doubts(model: Any, preparer: Preparer) -> list[str]:
    """Return sentences about a chat template that may not be what a reader expects; usually none.

    A base model has one too, from its tokenizer or from transformers, though it was not trained on it. It is
    known by its generation settings, which do not end an answer where the template does.
    """
    if not isinstance(preparer, ChatPreparer) or preparer.has_own_template:
        return []
    lines = []
    configured = getattr(model.generation_config, "eos_token_id", None)
    ends = configured if isinstance(configured, (list, tuple)) else [configured]
    named = sorted(int(end) for end in ends if end is not None)
    end, decode = preparer.answer_end(), preparer.tokenizer.decode
    if named and end not in named:
        theirs = " or ".join(repr(decode([one])) for one in named)
        lines.append(
            f"The model's chat template ends an answer with {decode([end])!r}, its generation settings with"
            f" {theirs}: this looks like a base model, which was not trained on this template. Prefer its"
            " Instruct version."
        )
    dated = "strftime_now" in str(preparer.processor.chat_template)
    if dated and str(datetime.now().year) in preparer.prompt(""):
        lines.append(
            "The model's chat template writes today's date into every prompt: on another day clips are"
            " encoded again, and a classifier refuses to predict. model.system_prompt=TEXT prevents this."
        )
    return lines
