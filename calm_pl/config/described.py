"""Settings in words, from the schema: types, defaults, rules, and the text below each field."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
import typing
from collections.abc import Iterator
from typing import Any, NamedTuple

from omegaconf import MISSING

from calm_pl.config.callbacks import CALLBACKS
from calm_pl.config.schema import Config
from calm_pl.methods import METHODS
from calm_pl.validation import type_name


class Setting(NamedTuple):
    """One setting.

    Attributes:
        path: as it is written before `=`.
        value: what it may be, in words.
        default: as it is written after `=`; empty where the setting is required.
        description: the text below the field.
    """

    path: str
    value: str
    default: str
    description: str


def sections(schema: type = Config, path: str = "") -> Iterator[tuple[str, type]]:
    """Yield the sections of a configuration: path with a dot at its end, and dataclass."""
    yield path, schema
    types = typing.get_type_hints(schema)
    for field in dataclasses.fields(schema):
        if dataclasses.is_dataclass(types[field.name]):
            yield from sections(typing.cast(type, types[field.name]), f"{path}{field.name}.")


def settings(path: str, schema: type) -> Iterator[Setting]:
    """Yield the settings of one section, without those of sections in it."""
    types, texts = typing.get_type_hints(schema), _texts(schema)
    for field in dataclasses.fields(schema):
        kind = types[field.name]
        if not dataclasses.is_dataclass(kind):
            full = path + field.name
            yield Setting(full, _value(full, kind, field), _default(field), texts.get(field.name, ""))


def _value(path: str, kind: Any, field: dataclasses.Field[Any]) -> str:
    """Return what a setting may be, as its error message would say."""
    rule = field.metadata.get("rule")
    lists = {"methods": METHODS.keys, "callbacks": CALLBACKS.keys}  # what their entries may be
    if path in lists:
        return f"a list, of {', '.join(lists[path]())}"
    if rule is None:
        return type_name(kind)
    if kind is Any:  # the rule says it all
        return str(rule.text)
    if rule.text.startswith("one of"):
        return rule.text + (", or null" if type(None) in typing.get_args(kind) else "")
    return f"{type_name(kind)}; {rule.text}"


def _default(field: dataclasses.Field[Any]) -> str:
    make = field.default_factory
    value = field.default if isinstance(make, dataclasses._MISSING_TYPE) else make()
    if value == MISSING:
        return ""
    words = {None: "null", True: "true", False: "false"}
    if value is None or isinstance(value, bool):
        return words[value]
    return f"[{', '.join(map(str, value))}]" if isinstance(value, list) else str(value)


def _texts(schema: type) -> dict[str, str]:
    """Return the string below each field, base classes first."""
    texts: dict[str, str] = {}
    for cls in reversed([one for one in schema.__mro__ if dataclasses.is_dataclass(one)]):
        (body,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
        assert isinstance(body, ast.ClassDef)
        for field, below in zip(body.body, body.body[1:], strict=False):
            match field, below:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                    texts[name] = " ".join(text.split())
    for one in dataclasses.fields(schema):
        if "as_in" in one.metadata:
            source, name = one.metadata["as_in"]
            texts[one.name] = _texts(source)[name]
    return texts
