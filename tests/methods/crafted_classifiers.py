"""Classifier files that are damaged or crafted, each a change of a good one, and legal ones beside them."""

import json
import math
from typing import NamedTuple

import torch
from head_vectors import noisy_clips
from safetensors import safe_open
from safetensors.torch import save

from calm_pl.methods.classifier import Classifier
from calm_pl.voters import Calm, CalmAuto, CalmGlobal, Gda, Sav

CLASSES = ('dog, "loud"', "Hündin|x", "雨; =1+1")
PROMPT = {"question": "?", "n_options": 3, "seed": 0, "readable_labels": False, "long_clips": "start"}
IDENTITY = {
    "weights": "ab",
    "class": "M",
    "dtype": "float32",
    "attn": "sdpa",
    "last_n_tokens": 1,
    "inputs": {},
}
C, H, D, K = 3, 6, 4, 3


class Parts(NamedTuple):
    """What a file is made of, to be changed."""

    header: dict
    tensors: dict


class Case(NamedTuple):
    """A change, and what the error must say; None where the file stays legal."""

    name: str
    change: object
    told: str | None


def good_parts(folder):
    """Header and tensors of a classifier with every method that a file can hold."""
    x, y = noisy_clips(0, (4, 4, 4), H, D)
    voters = {
        "sav": Sav(K),
        "calm_global": CalmGlobal(),
        "calm": Calm(),
        "calm_auto": CalmAuto(),
        "gda": Gda(),
    }
    voters["calm_k2"] = Calm(top_k=2)
    labels = [CLASSES[c] for c in y]
    for voter in voters.values():
        voter.fit(x, labels)
    classes = tuple(voters["sav"].classes_.tolist())
    path = Classifier(voters, classes, PROMPT, {"path": "m", "identity": IDENTITY}).save(folder / "good")
    with safe_open(path, "pt") as file:
        return Parts(dict(file.metadata()), {key: file.get_tensor(key) for key in file.keys()})  # noqa: SIM118


def write(path, parts):
    """Write a file of changed parts."""
    path.write_bytes(save({key: one.contiguous() for key, one in parts.tensors.items()}, parts.header))
    return path


def entry(key, value):
    """Replace an entry of the header."""
    return lambda parts: parts.header.update({key: value if isinstance(value, str) else json.dumps(value)})


def without(key):
    return lambda parts: parts.header.pop(key, None) or parts.tensors.pop(key)


def inside(key, *path_and_value, drop=False):
    """Change a value inside an entry of JSON, or drop it."""

    def change(parts):
        whole = section = json.loads(parts.header[key])
        *path, last = path_and_value if drop else path_and_value[:-1]
        for name in path:
            section = section[name]
        if drop:
            del section[last]
        else:
            section[last] = path_and_value[-1]
        parts.header[key] = json.dumps(whole)

    return change


def parameter(voter, name, value):
    return inside("voters", voter, name, value)


def tensor(key, change):
    """Replace a tensor by what a function makes of it."""
    return lambda parts: parts.tensors.update({key: change(parts.tensors[key].clone())})


def at(key, place, value):
    """Replace one value of a tensor."""

    def change(whole):
        whole[place] = value
        return whole

    return tensor(key, change)


def both(*changes):
    return lambda parts: [change(parts) for change in changes]


def _header_cases():
    for key in ("classes", "voters", "prompt", "model"):
        yield Case(f"{key} missing", without(key), f"{key}: is missing")
        for name, text in (("cut", '{"a": ['), ("of no text", ""), ("deep", "[" * 100_000), ("nan", "NaN")):
            yield Case(f"{key} {name}", entry(key, text), f"{key}: cannot be read as JSON")
        yield Case(f"{key} JSON null", entry(key, "null"), f"{key}: must be a .*, but is None")
        yield Case(f"{key} a number", entry(key, "3"), f"{key}: must be a .*, but is 3")
    yield Case(
        "format missing", without("format"), "expected a classifier of the format .* has the format None"
    )
    yield Case("format of tomorrow", entry("format", "calm_pl.classifier.2"), "of the format .*classifier.2")
    yield Case("format of a mask", entry("format", "calm_pl.mask.1"), "has the format 'calm_pl.mask.1'")
    yield Case("huge header", entry("prompt", " " * (2**24 + 1) + "{}"), "at most 16,777,216 characters")


def _class_cases():
    for name, classes, told in (
        ("with an escape", ["a", "b\x1b[2J", "c"], "no control characters"),
        ("none", [], "must be 2 or more, but there are 0"),
        ("one", ["a"], "must be 2 or more, but there are 1"),
        ("short", ["a", "b"], r"`centroids` must have the shape \(2, H, D\), but has \(3, 6, 4\)"),
        ("long", ["a", "b", "c", "d"], r"`centroids` must have the shape \(4, H, D\)"),
        ("twice", ["a", "b", "a"], "name 'a' twice"),
        ("empty", ["a", "", "b"], "non-empty strings, but 1 is ''"),
        ("blank", ["a", " \t", "b"], "non-empty strings, but 1 is"),
        ("number", ["a", 1, "b"], "non-empty strings, but 1 is 1"),
        ("null", ["a", None, "b"], "non-empty strings, but 1 is None"),
        ("nested", ["a", ["b"], "c"], r"non-empty strings, but 1 is \['b'\]"),
        ("half a character", ["a", "\ud800", "b"], "non-empty strings, but 1 is"),
        ("section", {"a": 1, "b": 2, "c": 3}, "must be a list"),
    ):
        yield Case(f"classes {name}", entry("classes", classes), f"classes: .*{told}|tensors: .*{told}")
    yield Case("classes bare text", entry("classes", '"abc"'), "classes: must be a list, but is 'abc'")
    yield Case("other classes", entry("classes", ["b,a", "c\u0301", "日本"]), None)


def _voter_cases():
    yield Case("no voter", entry("voters", "{}"), "voters: must name at least one")
    yield Case("voters a list", entry("voters", '["calm"]'), "voters: must be a section with keys")
    yield Case("voter twice", entry("voters", '{"sav": {}, "sav": {}}'), "the key 'sav' occurs twice")
    yield Case("parameters a list", inside("voters", "calm", []), "'calm': must be a section of parameters")
    yield Case("parameters null", inside("voters", "calm", None), "'calm': must be a section of parameters")
    yield Case("foreign method", inside("voters", "magic", {}), "the method 'magic' is unknown here")
    yield Case("zero-shot", inside("voters", "zero_shot", {}), "'zero_shot' cannot be stored")
    yield Case("a comparison", inside("voters", "knn", {}), "'knn' cannot be stored")
    yield Case("empty name", inside("voters", "", {}), "must have non-empty names")
    yield Case("kind unknown", inside("kinds", "calm_k2", "magic"), "the method 'magic' is unknown here")
    yield Case("kind a number", inside("kinds", "calm_k2", 3), "the method 3 is unknown here")
    yield Case("kind a list", inside("kinds", "calm_k2", ["calm"]), r"the method \['calm'\] is unknown here")
    yield Case("kind of another", inside("kinds", "calm_k2", "gda"), "'calm_k2': `rho` is missing")
    yield Case(
        "kind of nobody",
        inside("kinds", "ghost", "calm"),
        "must name only voters of the file, but names 'ghost'",
    )
    yield Case("kinds missing", without("kinds"), "the method 'calm_k2' is unknown here")
    yield Case("voter without tensors", inside("voters", "calm_b", {}), "the method 'calm_b' is unknown here")
    yield Case("other parameter", parameter("calm", "tau", 1), "`tau` is unknown; known are tau_p, tau_w")
    for voter, names in (
        ("calm", ("tau_p", "top_k", "score", "sharpness")),
        ("sav", ("top_k", "score")),
        ("gda", ("rho", "prior")),
        ("calm_auto", ("tau_p",)),
    ):
        for name in names:
            told = f"voter '{voter}': `{name}` is missing"
            yield Case(f"{voter}.{name} missing", inside("voters", voter, name, drop=True), told)
    number = "must be a (finite )?number|to be a (finite )?number"
    for value in (0, -1, 1e999, "0.1", None, True, []):
        yield Case(f"tau_p {value!r}", parameter("calm", "tau_p", value), _told(value, number))
    for value in (0, -3, 1.5, "all", True):
        words = "`top_k` to be (1 or more,|a whole number) or None"
        yield Case(f"top_k {value!r}", parameter("calm", "top_k", value), words)
        yield Case(f"sav top_k {value!r}", parameter("sav", "top_k", value), words)
    for name in ("score", "reliability", "weight_map", "reliability_split", "select"):
        for value in ("other", None, 1):
            yield Case(
                f"{name} {value!r}", parameter("calm", name, value), f"`{name}` to be (one of|a string)"
            )
    yield Case("shrinkage -1", parameter("calm", "shrinkage", -1.0), "`shrinkage` to be a finite number")
    yield Case("select loo", parameter("calm", "select", "loo"), "`select` must hold the fit's choice")
    yield Case(
        "sharpness loo", parameter("calm", "sharpness", "loo"), "`sharpness` must hold the fit's choice"
    )
    yield Case("sharpness 0", parameter("calm", "sharpness", 0), "`sharpness` to be a finite number above 0")
    yield Case("rho -1", parameter("gda", "rho", -1), "`rho` to be a finite number above 0")
    yield Case("prior other", parameter("gda", "prior", "other"), "`prior` to be one of uniform, support")
    yield Case("whitening 2", parameter("calm_auto", "whitening_shrinkage", 2), "above 0 and at most 1")
    yield Case("more heads than there are", parameter("calm", "top_k", 10**6), None)
    yield Case("another temperature", parameter("calm", "tau_p", 1), None)


def _told(value, words):
    # Infinity is not valid JSON.
    return "cannot be read as JSON" if isinstance(value, float) and math.isinf(value) else words


def _prompt_cases():
    for name, value in (
        ("question", 3),
        ("n_options", -1),
        ("n_options", "4"),
        ("seed", 1.5),
        ("seed", True),
    ):
        yield Case(f"{name} {value!r}", inside("prompt", name, value), f"prompt.{name}: must be ")
    yield Case("readable_labels 1", inside("prompt", "readable_labels", 1), "must be true or false, but is 1")
    yield Case("long_clips null", inside("prompt", "long_clips", None), "long_clips: must be a string")
    yield Case(
        "half a character", inside("prompt", "question", "\udfff"), "prompt.question: must be a string"
    )
    yield Case("path a list", inside("model", "path", []), "model.path: must be a string, but is \\[\\]")
    yield Case(
        "inputs a list", inside("model", "identity", "inputs", []), "identity.inputs: must be a section"
    )
    prompt = inside("model", "identity", "inputs", {"system_prompt": 3})
    yield Case("system prompt a number", prompt, "inputs.system_prompt: must be a string, but is 3")
    yield Case("identity a text", inside("model", "identity", "x"), "model.identity: must be a section")
    none = inside("model", "identity", "last_n_tokens", 0)
    yield Case("tokens 0", none, "must be a whole number, 1 or more")
    yield Case(
        "tokens -1", inside("model", "identity", "last_n_tokens", -1), "identity.last_n_tokens: must be"
    )
    yield Case("mask 3", inside("model", "identity", "mask", 3), "model.identity.mask: must be a string")
    yield Case("a prompt of a program's own", entry("prompt", {"mine": 1}), None)
    yield Case("no model", entry("model", "{}"), None)


SHAPES = {
    "centroids": (C, H, D),
    "sav.reliability": (H,),
    "sav.weights": (H,),
    "sav.heads": (K,),
    "calm_global.weights": (H,),
    "calm.reliability": (C, H),
    "calm.weights": (C, H),
    "calm_k2.weights": (C, H),
    "gda.discriminant": (C, H, D),
    "gda.bias": (C,),
    "gda.left_out_p": (12,),
    "calm_auto.whitening": (H, D, D),
    "calm_auto.whitened": (C, H, D),
    "calm_auto.weights": (H,),
    "calm_auto.choices": (3,),
}


def _tensor_cases():
    for key, shape in SHAPES.items():
        first, free = (0,) * len(shape), key in ("sav.heads", "gda.left_out_p")
        yield Case(f"{key} missing", without(key), f"tensors: `{key}` is missing")
        yield Case(f"{key} with an axis more", tensor(key, lambda t: t[None]), f"`{key}` must have the shape")
        yield Case(f"{key} a scalar", tensor(key, lambda t: t.flatten()[0]), f"`{key}` must have the shape")
        if not free:
            yield Case(f"{key} longer", tensor(key, lambda t: torch.cat([t, t[:1]])), "must have the shape")
            yield Case(f"{key} empty", tensor(key, lambda t: t[:0]), f"`{key}` must have the shape")
        name = key.rpartition(".")[2]
        yield Case(
            f"{key} float16", tensor(key, lambda t: t.to(torch.float16)), f"`{name}` must be \\w+, but"
        )
        if key != "sav.heads":
            for value in (math.nan, math.inf, -math.inf):
                yield Case(f"{key} {value}", at(key, first, value), f"`{name}` must be finite, but is")
    yield Case("centroids of no heads", tensor("centroids", lambda t: t[:, :0]), "must have the shape")
    yield Case(
        "centroids transposed", tensor("centroids", lambda t: t.transpose(1, 2)), "must have the shape"
    )
    yield Case("huge centroids", at("centroids", (0, 0, 0), 1e30), "`centroids` must be between -1e.15 and")
    for key in ("sav", "calm_global", "calm", "calm_auto"):
        first = (0, 0) if key == "calm" else (0,)
        yield Case(f"{key} negative weight", at(f"{key}.weights", first, -0.5), "`weights` must be between 0")
        yield Case(f"{key} weights doubled", tensor(f"{key}.weights", lambda t: t * 2), "`weights` must")
        yield Case(f"{key} weights of 0", tensor(f"{key}.weights", lambda t: t * 0), "`weights` must")
        yield Case(
            f"{key} reliability 9", at(f"{key}.reliability", first, 9.0), "`reliability` must be between"
        )
    yield Case("head beyond", at("sav.heads", 0, H), "`heads` must be between 0 and 5, but is 6")
    yield Case("head before", at("sav.heads", 0, -1), "`heads` must be between 0 and 5, but is -1")
    yield Case("head huge", at("sav.heads", 0, 2**60), "`heads` must be between 0 and 5")
    yield Case("head twice", tensor("sav.heads", lambda t: t[[0, 0, 1]]), "must name each head once")
    yield Case("no head", tensor("sav.heads", lambda t: t[:0]), "`heads` must name at least one head")
    yield Case("other heads", tensor("sav.heads", lambda t: t[:2]), "`weights` must be equal for all heads")
    yield Case("probability 2", at("gda.left_out_p", 0, 2.0), "`left_out_p` must be between 0 and 1")
    yield Case("power 3", at("calm_auto.choices", 0, 3.0), "`choices` must be a power among")
    yield Case("share 2", at("calm_auto.choices", 2, 2.0), "`choices` must be a power among")
    ghost = tensor("centroids", lambda t: t)
    yield Case("same again", ghost, None)
    extra = {"ghost.weights": torch.ones(2), "calm.more": torch.ones(2), "more": torch.ones(2)}
    for key, value in extra.items():
        add = lambda parts, key=key, value=value: parts.tensors.update({key: value})  # noqa: E731
        yield Case(f"extra {key}", add, f"tensors: `{key}` is unknown")
    yield Case("heads of another order", tensor("sav.heads", lambda t: t.flip(0)), None)
    yield Case("no clip was left out", tensor("gda.left_out_p", lambda t: t[:0]), None)
    yield Case(
        "weights of one head",
        both(tensor("calm.weights", lambda t: torch.eye(H)[:C].contiguous()), parameter("calm", "top_k", 1)),
        None,
    )


CASES = [*_header_cases(), *_class_cases(), *_voter_cases(), *_prompt_cases(), *_tensor_cases()]
