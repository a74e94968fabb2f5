"""From a path to a loaded model and processor, with errors a user can act on. Only safetensors are read."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch

from calm_pl.errors import CalmError, ModelError
from calm_pl.models.checkpoint_path import local_path
from calm_pl.models.families.table import REFUSED, Family, family_types, find_family
from calm_pl.models.preparer import Preparer
from calm_pl.models.quiet_transformers import quieten
from calm_pl.models.refusals import refuse_half_loaded, refuse_not_finite
from calm_pl.models.weight_files import refuse_damaged_weights

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class Checkpoint(NamedTuple):
    """What was loaded.

    Attributes:
        model: the `transformers` model.
        processor: its processor.
        family: its family.
    """

    model: Any
    processor: Any
    family: Family


def load_preparer(
    path: str,
    *,
    revision: str | None = None,
    trust_remote_code: bool = False,
    offline: bool = False,
    system_prompt: str | None = None,
    clap_template: str | None = None,
) -> Preparer:
    """Load a checkpoint's preparer, without its weights; arguments as `load_frozen`.

    Raises:
        ModelError: see there.
    """
    source: dict[str, Any] = {
        "revision": revision,
        "trust_remote_code": trust_remote_code,
        "local_files_only": offline,
    }
    local = local_path(path)
    quieten(is_here=checkpoint_folder(path, revision) is not None)
    with _network_off(offline):
        family = _family(path, local, source)
        return make_preparer(path, family, _processor(path, local, source), system_prompt, clap_template)


def checkpoint_family(
    path: str, *, revision: str | None = None, trust_remote_code: bool = False, offline: bool = False
) -> Family:
    """Return the family of a checkpoint, from its configuration alone; arguments as `load_frozen`.

    Raises:
        ModelError: no configuration can be read, or its family is not supported.
    """
    source: dict[str, Any] = {
        "revision": revision,
        "trust_remote_code": trust_remote_code,
        "local_files_only": offline,
    }
    with _network_off(offline):
        return _family(path, local_path(path), source)


def checkpoint_folder(path: str, revision: str | None = None) -> Path | None:
    """Return the folder of a checkpoint's files on this machine; None if they would have to be downloaded."""
    local = Path(local_path(path))
    if local.is_dir():
        return local
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(path, "config.json", revision=revision)
    return Path(cached).parent if isinstance(cached, str) else None


def hub_commit(path: str, revision: str | None = None) -> str | None:
    """Return the commit on the Hugging Face hub that a checkpoint's files here are of; None if unknown."""
    folder = checkpoint_folder(path, revision)
    if folder is None:
        return None
    snapshot = folder.resolve()
    return snapshot.name if snapshot.parent.name == "snapshots" else None


def load_checkpoint(
    path: str,
    *,
    revision: str | None = None,
    dtype: str | torch.dtype = "auto",
    attn: str = "sdpa",
    device_map: str | dict[str, Any] | None = None,
    quantization: str | None = None,
    device: torch.device | None = None,
    trust_remote_code: bool = False,
    offline: bool = False,
) -> Checkpoint:
    """Load model and processor of a checkpoint; arguments as `FrozenLALM.from_pretrained`.

    Raises:
        ModelError: see there.
    """
    import transformers

    picked = _pick_dtype(dtype)
    local = local_path(path)
    if Path(local).is_dir():
        refuse_damaged_weights(Path(local))
    source: dict[str, Any] = {
        "revision": revision,
        "trust_remote_code": trust_remote_code,
        "local_files_only": offline,
    }
    placement = _placement(device_map, quantization, device)
    quieten(is_here=checkpoint_folder(path, revision) is not None)
    with _network_off(offline):
        family = _family(path, local, source)
        processor = _processor(path, local, source)
        if family.is_embedder:  # its attention has one form, and its published results are in float32
            picked, attn = torch.float32, "eager"
        try:
            named = family.model_class
            model_class = getattr(transformers, named) if isinstance(named, str) else named
            model, report = model_class.from_pretrained(
                local,
                **source,
                **placement,
                dtype=picked,
                attn_implementation=attn,
                use_safetensors=True,
                output_loading_info=True,
            )
        except Exception as error:  # a damaged checkpoint may let any part of it raise anything
            raise ModelError(f"The model at {path!r} cannot be loaded: {_in_words(error)}") from error
    refuse_half_loaded(path, model, report)
    refuse_not_finite(path, model)
    fault = family.fault(model)
    if fault is not None:
        raise ModelError(f"The model at {path!r} would give wrong results: {fault}.")
    return Checkpoint(model, processor, family)


def _processor(path: str, local: str, source: dict[str, Any]) -> Any:
    import transformers

    try:
        return transformers.AutoProcessor.from_pretrained(local, **source)
    except Exception as error:  # as above
        raise ModelError(f"The processor at {path!r} cannot be loaded: {_in_words(error)}") from error


def make_preparer(
    path: str,
    family: Family,
    processor: Any,
    system_prompt: str | None = None,
    clap_template: str | None = None,
) -> Preparer:
    """Make a family's preparer of a checkpoint's processor.

    Args:
        path: of the checkpoint, for messages.
        family: its family.
        processor: its processor.
        system_prompt: text of a system turn; None leaves it to the chat template.
        clap_template: the sentence about a class, for CLAP models only.

    Raises:
        ModelError: the processor lacks something, its settings cannot be, or it takes no system prompt.
    """
    try:
        preparer = family.preparer(processor)
        if system_prompt is not None:
            if not hasattr(preparer, "use_system_prompt"):  # a plugin's own preparer
                raise ModelError(
                    f"model.system_prompt: {type(preparer).__name__} has no use_system_prompt(text): leave it"
                    " out (null)."
                )
            preparer.use_system_prompt(system_prompt)
        if clap_template is not None and hasattr(preparer, "use_template"):
            preparer.use_template(clap_template)
        return preparer
    except CalmError:
        raise
    except Exception as error:
        raise ModelError(f"The processor at {path!r} cannot be used: {_in_words(error)}") from error


def _in_words(error: Exception) -> str:
    """Return an error's message, after its kind where the message alone says little."""
    text = " ".join(str(error).split())
    return text if isinstance(error, (OSError, ValueError)) and text else f"{type(error).__name__}: {text}"


@contextmanager
def _network_off(off: bool) -> Iterator[None]:
    """Keep the hub's client from any call, also from those that have nothing to do with the files."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or off
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _family(path: str, local: str, source: dict[str, Any]) -> Family:
    """Return the family that a checkpoint's configuration names."""
    import transformers

    try:
        model_type = transformers.AutoConfig.from_pretrained(local, **source).model_type
    except Exception as error:  # as above
        raise ModelError(f"No model configuration could be read from {path!r}: {_in_words(error)}") from error
    family = find_family(model_type)
    if family is not None:
        return family
    if model_type in REFUSED:
        raise ModelError(f"{path!r} is a {model_type!r} model, which is not supported: {REFUSED[model_type]}")
    raise ModelError(
        f"{path!r} is a {model_type!r} model, not a supported audio language model. Supported:"
        f" {', '.join(family_types())}."
    )


def _placement(
    device_map: str | dict[str, Any] | None, quantization: str | None, device: torch.device | None
) -> dict[str, Any]:
    """Return arguments that place a model on devices, or quantise it on one."""
    if device_map is not None and importlib.util.find_spec("accelerate") is None:
        raise ModelError("model.device_map needs the package accelerate: pip install accelerate")
    if quantization is None:
        return {} if device_map is None else {"device_map": device_map}
    if importlib.util.find_spec("bitsandbytes") is None or importlib.util.find_spec("accelerate") is None:
        raise ModelError(
            f"model.quantization={quantization} needs bitsandbytes and accelerate:"
            " pip install 'calm_pl[quantization]'"
        )
    from transformers import BitsAndBytesConfig

    if device is None:
        # Lightning sets the current device later than a model is first loaded; of ranks each has its own.
        own = int(os.environ.get("LOCAL_RANK", "0"))
        device = torch.device("cuda", own) if torch.cuda.is_available() else torch.device("cpu")
    bits = BitsAndBytesConfig(load_in_8bit=quantization == "8bit", load_in_4bit=quantization == "4bit")
    return {"device_map": device_map or {"": device}, "quantization_config": bits}


def _pick_dtype(dtype: str | torch.dtype) -> torch.dtype | str:
    name = str(dtype).removeprefix("torch.")
    if name != "auto":
        if name not in _DTYPES:
            names = ", ".join(_DTYPES)
            raise ModelError(f"model.dtype must be auto, {names} or such a torch.dtype, but is {dtype!r}.")
        return _DTYPES[name]
    return "auto" if torch.cuda.is_available() else torch.float32
