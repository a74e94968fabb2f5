"""Name of the key-value cache in the installed transformers: `cache` since 5.24, `past_key_values` before."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Any


@cache
def cache_name() -> str:
    """Return the cache's name, both as an argument of a model and as a field of its output."""
    from transformers.modeling_outputs import BaseModelOutputWithPast

    fields = {field.name for field in dataclasses.fields(BaseModelOutputWithPast)}
    return "cache" if "cache" in fields else "past_key_values"


def cache_of(output: Any) -> Any:
    """Return the key-value cache in a model's output, which was asked for with `use_cache=True`."""
    return getattr(output, cache_name())
