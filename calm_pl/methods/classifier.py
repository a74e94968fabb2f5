"""A fitted classifier as one safetensors file: centroids, reliabilities, weights, and what they belong to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from calm_pl.atomic_files import replacing
from calm_pl.errors import ModelError
from calm_pl.methods import METHODS
from calm_pl.methods.table import ORACLE_SUFFIX
from calm_pl.voters import HeadVoter

_FORMAT = "calm_pl.methods.classifier.1"


@dataclass(frozen=True)
class Classifier:
    """Fitted voters over one set of centroids.

    Attributes:
        voters: by method name, fitted on the same support.
        classes: labels in class order.
        prompt: how questions were asked.
        model: identity and path of the model whose head vectors were used.
    """

    voters: dict[str, HeadVoter]
    classes: tuple[str, ...]
    prompt: dict[str, Any]
    model: dict[str, Any]

    def save(self, path: str | Path) -> Path:
        """Write the file; it appears under its name only when complete."""
        from safetensors.torch import save

        path = Path(path)
        first = next(iter(self.voters.values()))
        tensors: dict[str, Tensor] = {"centroids": first.centroids_.contiguous().cpu()}
        for name, voter in self.voters.items():
            for key, tensor in voter.fitted_state().items():
                tensors[f"{name}.{key}"] = tensor.contiguous().cpu()
        header = {
            "format": _FORMAT,
            "classes": json.dumps(self.classes),
            "voters": json.dumps(
                {name: voter.fitted_params() for name, voter in self.voters.items()},
                default=lambda number: number.item(),  # NumPy's numbers
            ),
            **_kinds(self.voters),
            "prompt": json.dumps(self.prompt),
            "model": json.dumps(self.model),
        }
        with replacing(path) as part:
            part.write_bytes(save(tensors, metadata=header))
        return path


def load_classifier(path: str | Path) -> Classifier:
    """Read a file that `Classifier.save` wrote; it predicts what the saved one predicted.

    Raises:
        ModelError: not there, or not such a file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            if header.get("format") != _FORMAT:
                raise ModelError(f"{path}: is no classifier of this version (format {_FORMAT!r}).")
            tensors = {key: file.get_tensor(key) for key in list(file.keys())}
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path}: cannot be read as a classifier: {error}") from error
    classes = tuple(json.loads(header["classes"]))
    kinds = json.loads(header.get("kinds", "{}"))
    voters = {
        name: _restore(name, kinds.get(name, name), params, classes, tensors, path)
        for name, params in json.loads(header["voters"]).items()
    }
    return Classifier(voters, classes, json.loads(header["prompt"]), json.loads(header["model"]))


def method_of(name: str, voter: HeadVoter) -> str | None:
    """Return the key of the method that a voter is, as far as a classifier can hold it.

    A program may give its voters names of its own; their class says what they are then. Oracles are none, as
    their settings were chosen on the query set.

    Args:
        name: of the voter.
        voter: fitted or not.
    """
    if name.endswith(ORACLE_SUFFIX):
        return None
    rows = [row for row in METHODS if row.stored and row.voter is not None]
    own = [row.key for row in rows if row.key == name and isinstance(voter, row.voter_class())]
    alike = [row.key for row in rows if row.voter_class() is type(voter)]
    return next(iter([*own, *alike]), None)


def _kinds(voters: dict[str, HeadVoter]) -> dict[str, str]:
    """Return the header's entry that says which method each voter is, where its name does not."""
    kinds = {name: method_of(name, voter) for name, voter in voters.items()}
    named = {name: kind for name, kind in kinds.items() if kind != name}
    return {"kinds": json.dumps(named)} if named else {}


def _restore(
    name: str,
    kind: str,
    params: dict[str, Any],
    classes: Sequence[str],
    tensors: dict[str, Tensor],
    path: str | Path,
) -> HeadVoter:
    row = METHODS.get(kind)
    if row is None or not row.stored:
        raise ModelError(
            f"{path}: holds the method {kind!r}, which this installation does not know: name the plugin or"
            " install the package that brought it."
        )
    prefix = f"{name}."
    state = {key.removeprefix(prefix): t for key, t in tensors.items() if key.startswith(prefix)}
    voter: HeadVoter = row.voter_class()(**params)
    return voter.load_fitted_state(classes, tensors["centroids"], state)
