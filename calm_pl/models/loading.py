"""From a path to a loaded model and processor, with errors a user can act on. Only safetensors are read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from torch import nn

from calm_pl.assets import resolve
from calm_pl.errors import ModelError
from calm_pl.models import qwen2_audio

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def load_checkpoint(
    path: str, *, revision: str | None = None, dtype: str = "auto", attn: str = "sdpa"
) -> tuple[nn.Module, Any]:
    """Model and processor of a checkpoint; arguments as `FrozenLALM.from_pretrained`.

    Raises:
        ModelError: see there.
    """
    import transformers

    local = resolve(path)
    if _looks_local(path) and not Path(local).is_dir():
        raise ModelError(f"model.path is {path!r}, but there is no such folder. Give a folder or a hub id.")
    try:
        config = transformers.AutoConfig.from_pretrained(local, revision=revision)
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"No model configuration could be read from {path!r}: {error}") from error
    if config.model_type != qwen2_audio.MODEL_TYPE:
        raise ModelError(
            f"{path!r} is a {config.model_type!r} model. Supported: {qwen2_audio.MODEL_TYPE!r} (Qwen2-Audio)."
        )
    # Transformers prints a bar for every load; the job has its own.
    transformers.utils.logging.disable_progress_bar()
    try:
        processor = transformers.AutoProcessor.from_pretrained(local, revision=revision)
        model = getattr(transformers, qwen2_audio.MODEL_CLASS).from_pretrained(
            local,
            revision=revision,
            dtype=_pick_dtype(dtype),
            attn_implementation=attn,
            use_safetensors=True,
        )
    except (OSError, ValueError, ImportError) as error:
        raise ModelError(f"The model at {path!r} cannot be loaded: {error}") from error
    return model, processor


def _looks_local(path: str) -> bool:
    """Whether a path is meant as a folder: it starts as one, or has not the form of a hub id."""
    return path.startswith(("/", "./", "../", "~", "bundled:")) or path.count("/") != 1 or os.path.isdir(path)


def _pick_dtype(dtype: str) -> torch.dtype | str:
    if dtype != "auto":
        return _DTYPES[dtype]
    return "auto" if torch.cuda.is_available() else torch.float32
