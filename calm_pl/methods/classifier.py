"""A fitted classifier as one safetensors file: centroids, reliabilities, weights, prompt and model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from calm_pl.atomic_files import replacing
from calm_pl.cells import control_character
from calm_pl.errors import ModelError
from calm_pl.methods import METHODS
from calm_pl.methods.classifier_header import FORMAT, IDENTITY, MODEL, PROMPT, Header, fault
from calm_pl.methods.table import ORACLE_SUFFIX, Reads
from calm_pl.voters import HeadVoter
from calm_pl.voters.base import CENTROIDS
from calm_pl.voters.state import check_names, check_shape


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

    def lacking(self) -> list[str]:
        """Return the parts needed to classify clips that are missing: Python code may leave them out."""
        sections = (
            ("prompt", self.prompt, PROMPT),
            ("model", self.model, MODEL),
            ("model.identity", self.model.get("identity", {}), IDENTITY),
        )
        return [f"{name}.{key}" for name, section, keys in sections for key in keys if key not in section]

    def save(self, path: str | Path) -> Path:
        """Write the file; it appears under its name only when complete.

        Raises:
            ValueError: voters fitted on different supports, classes that are not theirs, or labels that hold
                control characters.
        """
        from safetensors.torch import save

        path = Path(path)
        for label in self.classes:
            if (found := control_character(label)) is not None:
                raise ValueError(f"Expected labels without control characters, but {label!a} holds {found}.")
        first = next(iter(self.voters.values()))
        for name, voter in self.voters.items():
            if voter.classes_.tolist() != list(self.classes):
                raise ValueError(
                    f"Expected all voters to know the classes {list(self.classes)}, but {name!r} knows"
                    f" {voter.classes_.tolist()}."
                )
            if not torch.equal(voter.centroids_, first.centroids_):
                raise ValueError(
                    f"Expected all voters to be fitted on the same support, but {name!r} is not."
                )
        tensors: dict[str, Tensor] = {"centroids": first.centroids_.contiguous().cpu()}
        for name, voter in self.voters.items():
            for key, tensor in voter.fitted_state().items():
                tensors[f"{name}.{key}"] = tensor.contiguous().cpu()
        header = {
            "format": FORMAT,
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
    """Read a file written by `Classifier.save`; it makes the same predictions as the saved classifier.

    Everything that predictions depend on is checked, so a damaged or crafted file raises an error here.

    Raises:
        ModelError: the file is missing or not a classifier, or a part of it is invalid; the message names it.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():  # a folder, or a pipe without a writer
        raise ModelError(f"{path}: cannot be read as a classifier: no such file.")
    try:
        with safe_open(path, framework="pt") as file:
            header = Header(path, file.metadata() or {})
            classes, voters = header.classes(), header.voters()
            tensors = _read(path, file, len(classes), voters)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path}: cannot be read as a classifier: {error}") from error
    for name, voter in voters.items():
        prefix = f"{name}."
        state = {key.removeprefix(prefix): tensors[key] for key in tensors if key.rpartition(".")[0] == name}
        try:
            voter.load_fitted_state(classes, tensors["centroids"], state)
        except ValueError as error:
            raise fault(path, f"voter {name!r}", str(error)) from error
    return Classifier(voters, classes, header.prompt(), header.model())


def _read(path: Path, file: Any, num_classes: int, voters: Mapping[str, HeadVoter]) -> dict[str, Tensor]:
    """Read the tensors, after checking that names and shapes are those that the voters expect."""
    forms = {
        f"{name}.{key.rstrip('_')}": form
        for name, voter in voters.items()
        for key, form in voter.fitted_forms.items()
    }
    shapes = {key: file.get_slice(key).get_shape() for key in list(file.keys())}
    try:
        check_names(list(shapes), ["centroids", *forms])
        check_shape("centroids", shapes["centroids"], CENTROIDS, {"C": num_classes})
        sizes = dict(zip(CENTROIDS.shape, shapes["centroids"], strict=True))
        for key, form in forms.items():
            check_shape(key, shapes[key], form, sizes)
    except ValueError as error:
        raise fault(path, "tensors", str(error)) from error
    return {key: file.get_tensor(key) for key in shapes}


def method_of(name: str, voter: HeadVoter) -> str | None:
    """Return the key of a voter's method; None if a classifier file cannot store it.

    Python code may name its voters freely; their class then determines the method. Oracles cannot be stored,
    because their settings were selected on the query set; nor can voters that read anything but heads, since
    their centroids differ.

    Args:
        name: the voter's name.
        voter: fitted or not.
    """
    if name.endswith(ORACLE_SUFFIX) or voter.reads != Reads.HEADS.value:
        return None
    rows = [row for row in METHODS if row.stored and row.voter is not None]
    own = [row.key for row in rows if row.key == name and isinstance(voter, row.voter_class())]
    alike = [row.key for row in rows if row.voter_class() is type(voter)]
    return next(iter([*own, *alike]), None)


def _kinds(voters: dict[str, HeadVoter]) -> dict[str, str]:
    """Return the header entry with the method of each voter whose name is not a method's key."""
    kinds = {name: method_of(name, voter) for name, voter in voters.items()}
    named = {name: kind for name, kind in kinds.items() if kind != name}
    return {"kinds": json.dumps(named)} if named else {}
