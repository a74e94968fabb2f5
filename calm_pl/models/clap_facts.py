"""What jobs know of CLAP models without torch: their class, and the sentence about a class of clips."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MODEL_CLASS = "ClapModel"
TEMPLATE = "This is a sound of {}."
"""The usual sentence that sound is compared with; `{}` is the label."""
NEED = "a text that holds {} once, the place of the label"


def is_clap(identity: Mapping[str, Any]) -> bool:
    """Return whether an identity, see `FrozenLALM.identity`, is that of a CLAP model."""
    return bool(identity.get("class") == MODEL_CLASS)


def is_template(text: str) -> bool:
    """Return whether a text is what `NEED` says."""
    return text.count("{}") == 1


def sentence(template: str, label: str) -> str:
    """Return the text about a class, with underscores of its label as spaces."""
    return template.replace("{}", label.replace("_", " "))
