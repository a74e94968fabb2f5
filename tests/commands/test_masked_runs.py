"""What runs under a mask: fit-free, its bank, predict, zero-shot by generation, and the command `masks`."""

import csv
import io
import json
import xml.etree.ElementTree as ElementTree

import pytest
import torch

from calm_pl import FrozenLALM, load_classifier
from calm_pl.bank import HeadBank
from calm_pl.functional.masks import random_mask
from calm_pl.models.masks import HeadMask

ON = random_mask(4, 8, 12, torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def mask(tmp_path_factory, tiny_folder, shared_lalm):
    """A mask of the tiny model, as fit-mask writes it."""
    model = {"path": str(tiny_folder), "checkpoint": shared_lalm.checkpoint()}
    return HeadMask(ON, task="three", model=model).save(tmp_path_factory.mktemp("mask") / "mask.safetensors")


@pytest.fixture
def fit(call, small_job, tmp_path):
    """Run fit-free into a folder; all share a bank. Returns its results."""

    def run(folder, *more):
        overrides = [*small_job, f"run.dir={folder}", "bank.dir=bank", "wandb.mode=disabled", *more]
        result = call("fit-free", *overrides)
        assert result.returncode == 0, result.stderr
        return json.loads((tmp_path / folder / "results.json").read_text())

    return run


def test_a_masked_run_shares_nothing_with_an_unmasked_one(fit, call, mask, tmp_path, esc_root, tiny_folder):
    bare = fit("bare")
    encoded = len(HeadBank(tmp_path / "bank"))
    assert encoded == 27 - 15 + 9  # 12 support clips and 9 query clips
    masked = fit("masked", f"model.mask={mask}")
    assert len(HeadBank(tmp_path / "bank")) == 2 * encoded
    again = fit("again", f"model.mask={mask}")
    assert len(HeadBank(tmp_path / "bank")) == 2 * encoded
    assert again["methods"] == masked["methods"]
    assert bare["config_hash"] != masked["config_hash"]

    classifier = load_classifier(tmp_path / "masked" / "classifier.safetensors")
    assert classifier.model["identity"]["mask"] == HeadMask(ON).code()
    off_H = ~ON.flatten()
    calm = classifier.voters["calm"]
    assert not calm.centroids_[:, off_H].any()
    assert not calm.weights_[:, off_H].any()
    assert set(classifier.voters["sav"].heads_.tolist()) == set(ON.flatten().nonzero().flatten().tolist())


def test_predict_takes_the_mask_from_the_classifier(fit, call, mask, tmp_path, esc_root):
    more = ("data.n_options=0", "methods=[sav,calm]", 'data.question=""', f"model.mask={mask}")
    fit("masked", *more)
    with (tmp_path / "masked" / "predictions.csv").open(newline="") as file:
        expected = {row["clip"]: row for row in csv.DictReader(file)}
    files = sorted((esc_root / "audio").glob("1-*.wav"))
    args = ("predict", "--classifier", "masked/classifier.safetensors", "--method", "calm", "--csv", *files)
    for safeguard in ((), ("--mask", mask)):
        result = call(*args, *safeguard)
        assert result.returncode == 0, result.stderr
        rows = list(csv.DictReader(io.StringIO(result.stdout)))
        assert len(rows) == 9
        for row, path in zip(rows, files, strict=True):
            assert row["label"] == expected[path.name]["calm"]
            confidence = float(expected[path.name]["calm_confidence"])
            assert float(row["probability"]) == pytest.approx(confidence, abs=1e-5)

    other = HeadMask(~ON).save(tmp_path / "other.safetensors")
    refused = call(*args, "--mask", other)
    assert refused.returncode == 1
    assert "fitted with another mask" in refused.stderr
    fit("bare", "data.n_options=0", "methods=[sav,calm]")
    refused = call("predict", "--classifier", "bare/classifier.safetensors", "--mask", mask, files[0])
    assert refused.returncode == 1
    assert "fitted without a mask" in refused.stderr


def test_another_mask_is_another_model_to_a_classifier(fit, mask, tmp_path, tiny_folder, monkeypatch):
    """Whatever way it came on."""
    from calm_pl.errors import ModelError
    from calm_pl.evaluation.predict import matching_model

    fit("bare", "methods=[sav]")
    classifier = load_classifier(tmp_path / "bare" / "classifier.safetensors")
    load = FrozenLALM.from_pretrained

    def masked(path, **settings):
        return load(path, **{**settings, "mask": mask})

    monkeypatch.setattr(FrozenLALM, "from_pretrained", masked)
    with pytest.raises(ModelError, match=r"mask '4x8:.*' instead of None"):
        matching_model(classifier, None)


@pytest.mark.parametrize("mode", ["text", "generate"])
def test_zero_shot_answers_under_the_mask(fit, mask, tmp_path, lalm, esc_root, mode):
    """Against the model itself, asked about one clip at a time."""
    import soundfile

    from calm_pl.data.questions.clips import Clip
    from calm_pl.data.questions.prompts import Questioner
    from calm_pl.evaluation.zero_shot import MAX_NEW_TOKENS
    from calm_pl.models.answers import parse_answer

    fit("run", f"zero_shot={mode}", "methods=[zero_shot]", f"model.mask={mask}")
    with (tmp_path / "run" / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    classes = ("dog", "rain", "siren")
    ask = Questioner(classes, "What caption does the given audio belong to?", 3, 0).ask
    lalm.use_mask(HeadMask(ON))
    try:
        for row in rows:
            path = esc_root / "audio" / row["clip"]
            label = {"0": "dog", "10": "rain", "42": "siren"}[path.stem.split("-")[-1]]
            query = ask(Clip(row["clip"], path, (label,), ()), label)
            options = [classes[c] for c in query.options]
            inputs = lalm.preparer([soundfile.read(path, dtype="float32")[0]], [query.question])
            if mode == "text":
                choice = int(lalm.option_text_scores(inputs, [options]).argmax())
            else:
                choice = parse_answer(lalm.generate(inputs, MAX_NEW_TOKENS)[0], "ABC", options)
            assert row["zero_shot"] == ("" if choice is None else options[choice])
    finally:
        lalm.use_mask(None)
    assert len(rows) == 9


def test_a_mask_of_another_model_is_refused(call, small_job, mask, tmp_path):
    from calm_pl.models.tiny import build_tiny

    other = build_tiny(tmp_path / "other", seed=3, window_seconds=2)
    result = call("fit-free", *small_job, f"model.path={other}", f"model.mask={mask}", "wandb.mode=disabled")
    assert result.returncode == 1
    assert "does not carry over to another model" in result.stderr
    small = HeadMask(torch.ones(2, 8, dtype=torch.bool)).save(tmp_path / "small.safetensors")
    result = call("fit-free", *small_job, f"model.mask={small}", "wandb.mode=disabled")
    assert result.returncode == 1
    assert "The mask has 2 x 8 layers x heads" in result.stderr
    result = call("fit-free", *small_job, "model.mask=nowhere.safetensors", "wandb.mode=disabled")
    assert result.returncode == 1
    assert "nowhere.safetensors" in result.stderr


def test_a_released_checkpoint_runs(fit, tmp_path):
    flat = torch.cat([torch.where(ON, 1.0, -1.0), torch.full((4, 1), 9.0)], 1).flatten()
    torch.save({"model": {"tensor": flat}}, tmp_path / "released.pt")
    fit("run", "methods=[sav]", f"model.mask={tmp_path / 'released.pt'}")
    classifier = load_classifier(tmp_path / "run" / "classifier.safetensors")
    assert classifier.model["identity"]["mask"] == HeadMask(ON).code()


def test_the_model_answers_under_the_mask(call, mask, esc_root, lalm):
    import soundfile

    files = sorted((esc_root / "audio").glob("2-*.wav"))[:3]
    result = call("masks", "answer", mask, *files, "--max-new-tokens", 4, "--batch-size", 2)
    assert result.returncode == 0, result.stderr
    lalm.use_mask(HeadMask(ON))
    try:
        expected = [
            f"{path}\t{lalm.generate(lalm.preparer([soundfile.read(path, dtype='float32')[0]], ['']), 4)[0]}"
            for path in files
        ]
    finally:
        lalm.use_mask(None)
    assert result.stdout.splitlines() == expected


def test_masks_are_compared(call, tmp_path):
    first, second = torch.zeros(2, 3, dtype=torch.bool), torch.zeros(2, 3, dtype=torch.bool)
    first[0], second[0, 0], second[1, 2] = True, True, True
    for name, on in (("a", first), ("b", second)):
        HeadMask(on, task=name).save(tmp_path / name / "mask.safetensors")
    paths = ("a/mask.safetensors", "b/mask.safetensors")
    found = json.loads(call("masks", "compare", *paths, "--json").stdout)
    assert found["jaccard"] == [[1.0, 0.25], [0.25, 1.0]]
    assert [one["by_layer"] for one in found["masks"]] == [[3, 0], [1, 1]]
    result = call("masks", "compare", *paths, "--out", "figures/masks.svg")
    assert "0.250" in result.stdout
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["all", "3", "2"] in lines
    assert ["share", "50%", "33%"] in lines
    assert ElementTree.parse(tmp_path / "figures" / "masks.svg").getroot().tag.endswith("svg")
    assert call("masks", "compare", *paths, "--out", "masks.png").returncode == 0
    assert (tmp_path / "masks.png").read_bytes().startswith(b"\x89PNG")
    refused = call("masks", "compare", *paths, "--out", "masks.doc")
    assert refused.returncode == 1
    assert ".svg, .png, .pdf" in refused.stderr
    HeadMask(torch.ones(3, 3, dtype=torch.bool)).save(tmp_path / "c.safetensors")
    refused = call("masks", "compare", paths[0], "c.safetensors")
    assert "cannot be compared: a/mask.safetensors 2 x 3, c.safetensors 3 x 3" in refused.stderr
