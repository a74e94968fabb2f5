"""Released models at full size with random weights, written shard by shard under their released names.

Their configurations are those of `tests/models/released/`. Shards are drawn and written one at a time, so
that only one is in memory.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

sys.path.append(str(Path(__file__).parents[1] / "tests" / "models"))
from released_models import configured, processor_of, released, shrunken

from calm_pl.models.families.table import find_family

NAMES = {  # of tensors: in transformers' class, in the released files
    "qwen2_audio": (
        (r"^lm_head", "language_model.lm_head"),
        (r"^model\.language_model", "language_model.model"),
        (r"^model\.", ""),
    ),
    "qwen2_5_omni": (
        (r"^lm_head", "thinker.lm_head"),
        (r"^model\.language_model", "thinker.model"),
        (r"^model\.", "thinker."),
    ),
}


def write(
    name: str,
    folder: Path,
    *,
    device: str = "cpu",
    small: bool = False,
    layers: int | None = None,
    shard_bytes: int = 2**31,
) -> dict[str, Any]:
    """Write a model in bfloat16, as `from_pretrained` reads it.

    Args:
        name: of `NAMES`.
        folder: is made.
        device: where numbers are drawn.
        small: take the tests' shrunken widths and depths.
        layers: of the decoder; None is the released number.
        shard_bytes: maximum size of a file.

    Returns:
            parameters, tensors, bytes and files.
    """
    import transformers

    config = shrunken(name) if small else released(name)
    if layers is not None:
        config.get("thinker_config", config)["text_config"]["num_hidden_layers"] = layers
    with torch.device("meta"):  # shapes without weights
        model = getattr(transformers, find_family(name).model_class)(configured(config))
    folder.mkdir(parents=True, exist_ok=True)
    processor_of(name, folder).save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    shards: list[dict[str, Tensor]] = [{}]
    weight_map, total, used = {}, 0, 0
    generator = torch.Generator(device).manual_seed(0)
    for own, shape in ((own, one.shape) for own, one in model.state_dict().items()):
        tensor = _drawn(own, shape, generator)
        if used + tensor.nbytes > shard_bytes and shards[-1]:
            _save(shards, folder)
            shards.append({})
            used = 0
        shards[-1][_released_name(name, own)] = tensor.cpu()
        weight_map[_released_name(name, own)] = _file(len(shards))
        used += tensor.nbytes
        total += tensor.nbytes
    _save(shards, folder)
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return {
        "model": name,
        "small": small,
        "layers": int(configured(config).get_text_config().num_hidden_layers),
        "parameters": sum(one.numel() for one in model.parameters()),
        "tensors": len(weight_map),
        "gigabytes": round(total / 1e9, 3),
        "files": len(shards),
    }


def _drawn(name: str, shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Return weights of unit gain and small biases; at 0.02 a clip hardly reaches the last token."""
    tensor = torch.ones(shape, dtype=torch.bfloat16, device=generator.device)
    if len(shape) >= 2:
        return tensor.normal_(std=shape[1:].numel() ** -0.5, generator=generator)
    return tensor.normal_(std=0.1, generator=generator) if name.endswith("bias") else tensor


def _released_name(model: str, own: str) -> str:
    for pattern, new in NAMES[model]:
        changed = re.sub(pattern, new, own)
        if changed != own:
            return changed
    return own


def _file(number: int) -> str:
    return f"model-{number:05}.safetensors"


def _save(shards: list[dict[str, Tensor]], folder: Path) -> None:
    save_file(shards[-1], folder / _file(len(shards)), {"format": "pt"})
    shards[-1].clear()
