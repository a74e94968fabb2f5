"""Refuse checkpoints that load, but would give wrong results."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from calm_pl.errors import ModelError
from calm_pl.models.preparer import Preparer

_AUDIO_TOKEN = ("audio_token_id", "audio_token_index")


def refuse_half_loaded(path: str, model: Any, report: dict[str, Any]) -> None:
    """Refuse missing weights, which would be random, and weights left outside the devices.

    Raises:
        ModelError: names a weight that is missing.
    """
    missing = sorted(report["missing_keys"])
    if missing:
        raise ModelError(
            f"The model at {path!r} lacks {len(missing)} of the weights of {type(model).__name__}, such as"
            f" {missing[0]}: they would be random. Is it a checkpoint of that class, and complete?"
        )
    if any(parameter.is_meta for parameter in model.parameters()):
        raise ModelError(
            f"The model at {path!r} does not fit on the devices of model.device_map, and layers kept on the"
            " CPU or on disk are not supported. Use more GPUs, a smaller dtype, or model.quantization."
        )


def refuse_not_finite(path: str, model: Any) -> None:
    """Refuse weights that are NaN or infinite, at the speed of memory.

    Raises:
        ModelError: names the first tensor.
    """
    for name, tensor in model.state_dict().items():
        # Quantised weights are whole numbers or have 8 bits, whose extremes PyTorch cannot compute.
        if not tensor.is_floating_point() or tensor.element_size() < 2 or not tensor.numel():
            continue
        if not torch.isfinite(torch.stack(torch.aminmax(tensor))).all():
            bad = int((~torch.isfinite(tensor)).sum())
            raise ModelError(
                f"The model at {path!r} has weights that are NaN or infinite: {bad:,} of {tensor.numel():,}"
                f" in {name}, as {str(tensor.dtype).removeprefix('torch.')}. Is the checkpoint damaged, or"
                " does model.dtype=float16 not hold what was saved in bfloat16?"
            )


def refuse_other_tokens(path: str, model: Any, preparer: Preparer) -> None:
    """Refuse a tokenizer that does not belong to the model.

    Raises:
        ModelError: the placeholder of sound is another token, or words have ids beyond the embedding.
    """
    told = next((getattr(model.config, name) for name in _AUDIO_TOKEN if hasattr(model.config, name)), None)
    if told is not None and told != preparer.audio_token_id:
        raise ModelError(
            f"The tokenizer at {path!r} is not the model's: the placeholder of sound is its token"
            f" {preparer.audio_token_id}, but config.json says {told}."
        )
    if getattr(preparer.tokenizer, "backend_tokenizer", None) is None:
        return  # of a kind whose words cannot be seen by their ids
    rows = len(model.get_input_embeddings().weight)
    used = preparer.tokenizer(preparer.prompt("What is heard?"))["input_ids"]
    largest = max(*_own_words(preparer.tokenizer), *used, preparer.answer_end())
    if largest >= rows:
        raise ModelError(
            f"The tokenizer at {path!r} is not the model's: it has tokens up to {largest:,}, but the model's"
            f" vocabulary ends at {rows - 1:,}."
        )


def _own_words(tokenizer: Any) -> Iterator[int]:
    """Yield ids of words that were not added afterwards: of those, checkpoints may have some to spare."""
    added = getattr(tokenizer, "added_tokens_decoder", {})
    return (number for number in tokenizer.get_vocab().values() if number not in added)
