"""The header of a classifier file, validated strictly since the file is untrusted."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from calm_pl.cells import control_character
from calm_pl.errors import ModelError
from calm_pl.methods.table import METHODS, Method
from calm_pl.voters import HeadVoter

FORMAT = "calm_pl.classifier.1"
MAX_TEXT = 2**24
"""Maximum length of one entry, in characters: a hundred times what 10,000 classes need."""


def fault(path: Path, key: str, what: str) -> ModelError:
    """Return the error for an invalid part of a file."""
    return ModelError(
        f"{path}: {key}: {what}. The file is damaged or was not written by this program; fit it again with"
        " fit-free."
    )


class Header(NamedTuple):
    """The header entries of a classifier file.

    Attributes:
        path: the file, for messages.
        texts: entries by key.
    """

    path: Path
    texts: Mapping[str, str]

    def classes(self) -> tuple[str, ...]:
        """Return the labels in class order, after checking the file's format."""
        if self.texts.get("format") != FORMAT:
            raise ModelError(
                f"{self.path}: expected a classifier of the format {FORMAT!r}, but the file has the format"
                f" {self.texts.get('format')!r}. Fit it again with this version."
            )
        classes = self._json("classes", list)
        for place, label in enumerate(classes):
            if not isinstance(label, str) or not label.strip() or not _is_unicode(label):
                raise self._fault("classes", f"must be non-empty strings, but {place} is {label!r}")
            if (found := control_character(label)) is not None:
                raise self._fault("classes", f"must hold no control characters, but {label!a} holds {found}")
        twice = next((one for one, count in Counter(classes).items() if count > 1), None)
        if twice is not None:
            raise self._fault("classes", f"must name each class once, but name {twice!r} twice")
        if len(classes) < 2:
            raise self._fault("classes", f"must be 2 or more, but there are {len(classes)}")
        return tuple(classes)

    def voters(self) -> dict[str, HeadVoter]:
        """Return the voters with their parameters, not yet fitted."""
        kinds = self._json("kinds", dict) if "kinds" in self.texts else {}
        entries = self._json("voters", dict)
        if not entries:
            raise self._fault("voters", "must name at least one voter, but is empty")
        for name in kinds:
            if name not in entries:
                raise self._fault("kinds", f"must name only voters of the file, but names {name!r}")
        return {name: self._voter(name, kinds.get(name, name), entry) for name, entry in entries.items()}

    def prompt(self) -> dict[str, Any]:
        """Return how questions were asked."""
        prompt: dict[str, Any] = self._json("prompt", dict)
        self._check("prompt", prompt, PROMPT)
        return prompt

    def model(self) -> dict[str, Any]:
        """Return the identity and path of the model."""
        model: dict[str, Any] = self._json("model", dict)
        self._check("model", model, MODEL)
        identity = model.get("identity", {})
        self._check("model.identity", identity, IDENTITY | _OPTIONAL)
        self._check("model.identity.inputs", identity.get("inputs", {}), _INPUTS)
        return model

    def _voter(self, name: str, kind: Any, params: Any) -> HeadVoter:
        key = f"voter {name!r}"
        if not name.strip() or not _is_unicode(name):
            raise self._fault("voters", f"must have non-empty names, but one is {name!r}")
        row = self._row(key, kind)
        if not isinstance(params, dict):
            raise self._fault(key, f"must be a section of parameters, but is {params!r}")
        known = [one.name for one in dataclasses.fields(row.voter_class())]
        for parameter in known:
            if parameter not in params:
                raise self._fault(key, f"`{parameter}` is missing")
        for parameter in params:
            if parameter not in known:
                raise self._fault(key, f"`{parameter}` is unknown; known are {', '.join(known)}")
        try:
            voter: HeadVoter = row.voter_class()(**params)
        except (TypeError, ValueError) as error:
            raise self._fault(key, str(error).rstrip(".")) from error
        return voter

    def _row(self, key: str, kind: Any) -> Method:
        row = METHODS.get(kind) if isinstance(kind, str) else None
        if row is None:
            raise ModelError(
                f"{self.path}: {key}: the method {kind!r} is unknown here: name the plugin that defines it in"
                " `plugins`, or install its package."
            )
        if not row.stored:
            raise self._fault(key, f"the method {kind!r} cannot be stored in a file")
        return row

    def _json(self, key: str, kind: type) -> Any:
        text = self.texts.get(key)
        if text is None:
            raise self._fault(key, "is missing")
        if len(text) > MAX_TEXT:
            raise self._fault(key, f"must be at most {MAX_TEXT:,} characters, but is {len(text):,}")
        try:
            value = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
        except (ValueError, RecursionError) as error:
            raise self._fault(key, f"cannot be read as JSON: {error}") from error
        if not isinstance(value, kind):
            what = "a list" if kind is list else "a section with keys"
            raise self._fault(key, f"must be {what}, but is {_shown(value)}")
        return value

    def _check(self, section: str, values: dict[str, Any], kinds: Mapping[str, str]) -> None:
        for name in kinds.keys() & values.keys():
            value, (kind, words) = values[name], _KINDS[kinds[name]]
            fits = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
            if not fits or (kind is int and value < (1 if kinds[name] == "positive" else 0)):
                raise self._fault(f"{section}.{name}", f"must be {words}, but is {_shown(value)}")
            if isinstance(value, str) and not _is_unicode(value):
                raise self._fault(f"{section}.{name}", f"must be a string, but is {_shown(value)}")

    def _fault(self, key: str, what: str) -> ModelError:
        return fault(self.path, key, what)


# What `predict` reads from prompt and model, if present: Python code may store something else.
PROMPT = {
    "question": "text",
    "n_options": "count",
    "seed": "count",
    "readable_labels": "flag",
    "long_clips": "text",
}
MODEL = {"path": "text", "identity": "section"}
IDENTITY = {"dtype": "text", "attn": "text", "last_n_tokens": "positive"}
_OPTIONAL = {"mask": "text", "weights": "text", "inputs": "section"}
_INPUTS = {"system_prompt": "text", "clap_template": "text"}
_KINDS: dict[str, tuple[type, str]] = {
    "text": (str, "a string"),
    "count": (int, "a whole number, 0 or more"),
    "positive": (int, "a whole number, 1 or more"),
    "flag": (bool, "true or false"),
    "section": (dict, "a section with keys"),
}


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object, after checking that no key is repeated."""
    twice = next((one for one, count in Counter(key for key, _ in pairs).items() if count > 1), None)
    if twice is not None:
        raise ValueError(f"the key {twice!r} occurs twice")
    return dict(pairs)


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is not a number")


def _is_unicode(text: str) -> bool:
    """Return whether a string can be encoded: JSON may contain lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}..."
