"""Masks on disk: what is kept, what is refused, and whose heads they are."""

import os

import pytest
import torch

from calm_pl import FrozenLALM
from calm_pl.errors import ModelError
from calm_pl.models.heads import HeadLayout
from calm_pl.models.masks import HeadMask, load_mask
from calm_pl.models.tiny import build_tiny

LOGITS = torch.tensor([[0.5, -1.0, 2.0], [-0.1, 0.0, 3.0]])
ON = [[True, False, True], [False, True, True]]


def test_a_mask_comes_back_as_it_was(tmp_path):
    mask = HeadMask(LOGITS >= 0, LOGITS, "digits", "Say it.", {"path": "m", "checkpoint": "c"}, {"seed": 3})
    again = load_mask(mask.save(tmp_path / "deep" / "mask.safetensors"))
    assert again.on_LA.tolist() == ON
    assert torch.equal(again.logits_LA, LOGITS)
    told = (again.task, again.question, again.model, again.training)
    assert told == ("digits", "Say it.", {"path": "m", "checkpoint": "c"}, {"seed": 3})
    assert mask.num_on == 4


@pytest.mark.parametrize("shape", [(2, 3), (5, 8), (1, 1), (32, 32)])
def test_a_mask_in_letters(shape):
    on = torch.rand(shape, generator=torch.Generator().manual_seed(0)) < 0.5
    code = HeadMask(on).code()
    assert code.startswith(f"{shape[0]}x{shape[1]}:")
    assert torch.equal(HeadMask.from_code(code).on_LA, on)


def test_the_letters_by_hand():
    assert HeadMask(torch.tensor(ON)).code() == "2x3:ac"  # 101 011 and two bits to fill up: 1010 1100


@pytest.mark.parametrize("code", ["", "2x3", "2x3:zz", "2:ac", "9x9:ac"])
def test_other_letters_are_refused(code):
    with pytest.raises(ModelError, match="is not a mask"):
        HeadMask.from_code(code)


def test_a_released_checkpoint(tmp_path):
    """One unused number behind each layer's heads."""
    flat = torch.tensor([0.5, -1.0, 2.0, 99.0, -0.1, 0.0, 3.0, -99.0])
    torch.save({"model": {"tensor": flat}}, tmp_path / "gender.pt")
    mask = load_mask(tmp_path / "gender.pt", num_layers=2)
    assert mask.on_LA.tolist() == ON
    assert torch.equal(mask.logits_LA, LOGITS)
    assert mask.task == "gender"
    with pytest.raises(ModelError, match="--layers"):
        load_mask(tmp_path / "gender.pt")
    with pytest.raises(ModelError, match="holds 8 numbers, which are no 3 layers"):
        load_mask(tmp_path / "gender.pt", num_layers=3)


class Runs:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_torch_file_runs_nothing(tmp_path):
    torch.save({"model": {"tensor": Runs(tmp_path / "ran")}}, tmp_path / "bad.pt")
    with pytest.raises(ModelError, match=r"bad.pt: cannot be read as a mask"):
        load_mask(tmp_path / "bad.pt", 2)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [{}, {"model": 3}, {"model": {"tensor": "x"}}, [1]])
def test_a_torch_file_of_something_else(tmp_path, content):
    torch.save(content, tmp_path / "x.pt")
    with pytest.raises(ModelError, match=r"x.pt: is not a checkpoint of the released AHAMask code"):
        load_mask(tmp_path / "x.pt", 2)


def test_other_files_are_refused(tmp_path):
    from safetensors.torch import save_file

    (tmp_path / "text.safetensors").write_text("nothing")
    save_file({"mask": torch.ones(2, 3)}, tmp_path / "bare.safetensors")
    save_file({"x": torch.ones(2)}, tmp_path / "empty.safetensors", metadata={"format": "calm_pl.mask.1"})
    for name in ("text", "bare", "empty", "missing"):
        with pytest.raises(ModelError, match=f"{name}.safetensors"):
            load_mask(tmp_path / f"{name}.safetensors")


def test_whose_heads_they_are():
    own = HeadMask(torch.tensor(ON), model={"path": "base", "checkpoint": "c"})
    own.check(HeadLayout(2, 3, 64), "c", "m")
    HeadMask(torch.tensor(ON)).check(HeadLayout(2, 3, 64), "c", "m")  # nothing known: the shape decides
    with pytest.raises(ModelError, match=r"The mask has 2 x 3 layers x heads, but 'm' has 3 x 2"):
        own.check(HeadLayout(3, 2, 64), "c", "m")
    with pytest.raises(ModelError, match=r"trained on 'base', whose weights are not those of 'm'"):
        own.check(HeadLayout(2, 3, 64), "d", "m")


def test_a_mask_of_another_model_is_refused(tmp_path, tiny_folder, lalm):
    on = torch.ones(lalm.layout[:2], dtype=torch.bool)
    mask = HeadMask(on, model={"path": "tiny", "checkpoint": lalm.checkpoint()})
    path = mask.save(tmp_path / "mask.safetensors")
    assert FrozenLALM.from_pretrained(str(tiny_folder), mask=path).mask.num_on == on.numel()
    other = build_tiny(tmp_path / "other", seed=1, window_seconds=2)
    with pytest.raises(ModelError, match="does not carry over to another model"):
        FrozenLALM.from_pretrained(str(other), mask=path)


def test_a_checkpoint_is_the_same_in_16_bits(tiny_folder, lalm):
    for dtype in ("bfloat16", "float16"):
        other = FrozenLALM.from_pretrained(str(tiny_folder), dtype=dtype)
        assert other.checkpoint() == lalm.checkpoint()
        assert other.identity()["weights"] != lalm.identity()["weights"]


def test_the_mask_is_part_of_the_identity(tiny_folder):
    lalm = FrozenLALM.from_pretrained(str(tiny_folder))
    bare = lalm.identity()
    assert "mask" not in bare  # as before there were masks: banks stay good
    on = torch.ones(lalm.layout[:2], dtype=torch.bool)
    on[1, 2] = False
    lalm.use_mask(HeadMask(on))
    assert lalm.identity() == bare | {"mask": HeadMask(on).code()}
    lalm.use_mask(None)
    assert lalm.identity() == bare
