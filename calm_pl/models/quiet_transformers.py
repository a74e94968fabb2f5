"""What `transformers` shows while it loads: only what is a user's business."""

from __future__ import annotations

import logging
import os


def quieten(is_here: bool) -> None:
    """Show neither a bar for every load, since a job has its own, nor messages that are no user's business.

    With `TRANSFORMERS_VERBOSITY` set its log is left as it is.

    Args:
        is_here: whether the checkpoint is on this machine; the hub's bars of a download stay on, or it would
            look hung for an hour.
    """
    from transformers.utils import logging as its_logging

    its_logging.disable_progress_bar() if is_here else its_logging.enable_progress_bar()
    if "TRANSFORMERS_VERBOSITY" not in os.environ:
        for handler in logging.getLogger("transformers").handlers:
            handler.addFilter(_is_a_users_business)  # adding it again changes nothing


def _is_a_users_business(record: logging.LogRecord) -> bool:
    """Return False for deprecations, and for tokens of the parts that speak, which are never loaded.

    Tokens that a model does hear are checked by `refuse_other_tokens`.
    """
    text = record.getMessage()
    return "deprecated" not in text and "integer within the vocabulary" not in text
