"""Crafted files of masks, states and notes: what is accepted is legal, the rest is refused in a sentence."""

import json
import os

import pytest
import torch
from safetensors.torch import save_file

from calm_pl.errors import ModelError, RunError
from calm_pl.masks.state import MaskState, load_state
from calm_pl.models.deferred import DeferredLALM, LoadArguments
from calm_pl.models.masks import HeadMask, load_mask

ON = torch.tensor([[1, 0, 1], [0, 1, 1]], dtype=torch.uint8)
LOGITS = torch.tensor([[0.5, -1.0, 2.0], [-0.1, 0.0, 3.0]])
HEADER = {"format": "calm_pl.mask.1", "task": "t", "question": "a\nb", "model": "{}", "training": "{}"}


@pytest.mark.parametrize(
    ("tensors", "header", "told"),
    [
        ({"mask": ON}, {"format": "calm_pl.mask.9"}, "is not a mask of this version"),
        ({}, {}, "must hold the tensors mask"),
        ({"mask": ON, "more": LOGITS}, {}, "but holds mask, more"),
        ({"mask": ON.float()}, {}, "`mask` must be layers x heads of uint8, but is 2 x 3 of float32"),
        ({"mask": ON[0].clone()}, {}, "but is 3 of uint8"),
        ({"mask": ON[:0].clone()}, {}, "but is 0 x 3 of uint8"),
        ({"mask": 2 * ON}, {}, "`mask` must hold 0 and 1, but holds 2"),
        ({"logits": LOGITS.double()}, {}, "`logits` must be 2 x 3 of float32, but is 2 x 3 of float64"),
        ({"logits": LOGITS[:1].clone()}, {}, "but is 1 x 3 of float32"),
        ({"logits": LOGITS / 0}, {}, "`logits` must be finite"),
        ({}, {"task": None}, "`task` must be there"),
        ({}, {"task": "a\x1b[2J"}, r"`task` must hold no control characters, but holds U\+001B"),
        ({}, {"model": None}, "`model` must be there"),
        ({}, {"model": "[]"}, r"`model` must be a section with keys, but is \[\]"),
        ({}, {"model": "{"}, "`model` cannot be read as JSON"),
        ({}, {"training": "[" * 100_000}, "`training` cannot be read as JSON"),
        ({}, {"model": '{"checkpoint": 3}'}, "`model.checkpoint` must be a string, but is 3"),
        ({}, {"model": '{"path": {}}'}, "`model.path` must be a string"),
        ({}, {"model": '{"system_prompt": 3}'}, "`model.system_prompt` must be a string"),
    ],
)
def test_masks_that_cannot_be(tmp_path, tensors, header, told):
    path = tmp_path / "mask.safetensors"
    whole = {key: value for key, value in (HEADER | header).items() if value is not None}
    held = tensors if "mask" in tensors or told.startswith("must hold") else {"mask": ON} | tensors
    save_file(held or {"other": LOGITS}, path, metadata=whole)
    with pytest.raises(ModelError, match=rf"mask\.safetensors: .*{told}"):
        load_mask(path)


def test_every_cut_and_flipped_byte_of_a_mask_is_refused_or_a_mask(tmp_path):
    path = HeadMask(ON > 0, LOGITS, "t", "q", {"path": "m", "checkpoint": "c"}).save(tmp_path / "mask")
    whole = path.read_bytes()
    refused = 0
    for at in range(len(whole)):
        for damaged in (whole[:at], whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :]):
            path.write_bytes(damaged)
            try:
                mask = load_mask(path)
            except ModelError:
                refused += 1
            else:
                assert mask.logits_LA is None or mask.on_LA.shape == mask.logits_LA.shape
    assert refused > len(whole)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ModelError, match="it is not a regular file"):
        load_mask(path)


@pytest.mark.parametrize("code", ["2x3:acf", "2x3:AC", "2x3:af", "-2x-3:ac", "2x3:+a", "0x0:", "9x9999999:0"])
def test_codes_that_only_look_like_one(code):
    with pytest.raises(ModelError, match="is not a mask"):
        HeadMask.from_code(code)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_released_checkpoint_must_be_finite(tmp_path, value):
    torch.save({"model": {"tensor": torch.tensor([0.5, value, 1.0, 0.0])}}, tmp_path / "m.pt")
    with pytest.raises(ModelError, match="its numbers must be finite"):
        load_mask(tmp_path / "m.pt", num_layers=2)


def test_states_of_a_training(tmp_path):
    path = tmp_path / "state.safetensors"
    good = MaskState("job", 3, LOGITS, LOGITS.clone(), LOGITS.abs())
    good.save(path)
    assert load_state(path, "job", (2, 3)).step == 3
    for state, told in (
        (good._replace(step=-1), "`step` must be a whole number above 0"),
        (good._replace(step=2**31), "`step` must be"),
        (good._replace(logits_LA=LOGITS[:1]), r"`logits` must be finite float32 of the shape \(2, 3\)"),
        (good._replace(mean_LA=LOGITS.half()), "`mean` must be finite float32"),
        (good._replace(mean_LA=LOGITS / 0), "`mean` must be finite float32"),
        (good._replace(square_LA=LOGITS.clone()), "`square` must be 0 or more"),
        (good._replace(job="other"), "unfinished training with other settings"),
    ):
        state.save(path)
        with pytest.raises(RunError, match=told):
            load_state(path, "job", (2, 3))
    save_file({"logits": LOGITS}, path, metadata={"format": "calm_pl.masks.state.1", "step": "1"})
    with pytest.raises(RunError, match="must hold logits, mean, square, but holds logits"):
        load_state(path, "job", (2, 3))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ((0,), []),
        ((0, "weights"), 3),
        ((0, "last_n_tokens"), 0),
        ((0, "inputs"), None),
        ((1,), [4, 8]),
        ((1, 0), -4),
        ((1, 2), True),
        ((2,), None),
        ((3, 0), 0),
        ((3, 0), "16000"),
        ((3, 1), float("nan")),
        ((3, 1), -1.0),
        ((3, 2), ["smell"]),
    ],
)
def test_a_crafted_note_about_a_model_is_not_believed(tiny_folder, tmp_path, place, value):
    first = DeferredLALM(LoadArguments(str(tiny_folder)), tmp_path, False)
    (note,) = tmp_path.glob("*.json")
    content = json.loads(note.read_text())
    part = content
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = value
    note.write_text(json.dumps(content))
    again = DeferredLALM(LoadArguments(str(tiny_folder)), tmp_path, False)
    assert (again.layout, again.identity()) == (first.layout, first.identity())
    assert again._lalm is not None  # it was loaded again
