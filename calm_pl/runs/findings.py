"""What only the run that encodes finds out, kept when the same command runs again from the bank."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from calm_pl.regular_files import read_regular


def with_earlier(path: Path, results: Mapping[str, Any]) -> dict[str, Any]:
    """Return results with what the earlier ones of the same configuration and weights found out.

    These are the checks of the model, where this run made none, and who encoded how much in what time.

    Args:
        path: `results.json` of the earlier run; may be missing or damaged.
        results: of this run, with `config_hash`, `weights`, `self_check` and `encodings`.
    """
    earlier = _read(path)
    known = ("config_hash", "weights")
    if not results["config_hash"] or any(earlier.get(name) != results[name] for name in known):
        return dict(results)
    encodings = earlier.get("encodings")
    return {
        **results,
        "self_check": results["self_check"] or earlier.get("self_check"),
        "encodings": [*(encodings if isinstance(encodings, list) else []), *results["encodings"]],
    }


def _read(path: Path) -> dict[str, Any]:
    try:
        earlier = json.loads(read_regular(path))
    except (OSError, ValueError):
        return {}
    return earlier if isinstance(earlier, dict) else {}
