"""The key of a record: everything that a forward pass depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def canonical(value: Any) -> str:
    """Encode a value as canonical JSON: equal values give equal text.

    Raises:
        ValueError: a value that JSON cannot represent, or NaN.
    """
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    except TypeError as error:
        raise ValueError(f"Expected values that JSON can represent, but {error}.") from error


def clip_key(content: str, prompt: str, identity: Mapping[str, Any]) -> str:
    """Return the key of a clip with a prompt and a model: SHA-256, 64 hexadecimal digits.

    Args:
        content: identifies the decoded clip, see `ContentIndex`.
        prompt: the exact text the model gets.
        identity: the model's identity: weights, dtype, attention implementation, token rule and processor
            settings, as returned by `FrozenLALM.identity()`.

    Raises:
        ValueError: an identity that JSON cannot represent.
    """
    return hashlib.sha256(canonical(["clip", 1, content, prompt, identity]).encode()).hexdigest()


def key_bytes(key: str) -> bytes:
    """Return the 32 bytes of a key.

    Raises:
        ValueError: not 64 hexadecimal digits.
    """
    try:
        digest = bytes.fromhex(key)
    except ValueError:
        digest = b""
    if len(digest) != 32 or len(key) != 64:
        raise ValueError(f"Expected a key of 64 hexadecimal digits, as clip_key makes them, but got {key!r}.")
    return digest
