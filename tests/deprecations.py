"""Deprecations that this project's own code causes are errors; the others are reported as pytest does.

A filter by module cannot tell them apart: a deprecated argument of a model's `forward` is reported as torch's
own, which called it for us. So the stack is read when the warning is given.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

DEPRECATIONS = (DeprecationWarning, PendingDeprecationWarning, FutureWarning)
_REPO = Path(__file__).parents[1]
_OURS = tuple(str(_REPO / name) for name in ("calm_pl", "callbacks", "tools", "launch.py"))
# What stands between a caller and the function it calls, by the end of the file's path.
_GLUE = (
    *("torch/nn/modules/module.py", "torch/utils/_contextlib.py", "/contextlib.py", "/functools.py"),
    *("transformers/utils/generic.py", "transformers/utils/deprecation.py"),  # decorators of `forward`
)
_warn = warnings.warn


def caused_here(stacklevel: int) -> bool:
    """Return whether this project's code made the call that a warning is about.

    Args:
        stacklevel: frames from the caller of this function's caller to the one that the warning blames, as
            `warnings.warn` counts.
    """
    try:
        frame = sys._getframe(1 + max(stacklevel, 1))
    except ValueError:
        return False
    while frame is not None and frame.f_code.co_filename.endswith(_GLUE):
        frame = frame.f_back
    return frame is not None and frame.f_code.co_filename.startswith(_OURS)


def warn(message: Any, category: Any = None, stacklevel: int = 1, source: Any = None, **further: Any) -> None:
    """`warnings.warn`, but raising a deprecation that this project causes."""
    kind = type(message) if isinstance(message, Warning) else category or UserWarning
    if issubclass(kind, DEPRECATIONS) and caused_here(stacklevel):
        raise message if isinstance(message, Warning) else kind(message)
    _warn(message, category, stacklevel + 1, source, **further)


def watch() -> None:
    """Let every warning of this process come here first."""
    warnings.warn = warn
