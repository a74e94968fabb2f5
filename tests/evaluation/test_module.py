"""The LightningModule in a user's own Trainer, and the bundled demo."""

import pytest
import torch
from lightning.pytorch import Trainer
from torch.utils.data import DataLoader

from calm_pl import Calm, CalmGlobal, Sav
from calm_pl.data.benchmarks.esc50 import ESC50
from calm_pl.data.loading.base import FewShotDataModule
from calm_pl.data.settings import DataSettings
from calm_pl.errors import BadClipError, RunError
from calm_pl.evaluation.module import FitFreeModule
from calm_pl.models.identity import parameters_hash


def trainer():
    return Trainer(
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        use_distributed_sampler=False,
    )


@pytest.fixture
def data(esc_root, lalm):
    module = FewShotDataModule(
        ESC50(DataSettings(str(esc_root), shots=4, n_options=3, num_workers=0)), lalm.preparer
    )
    module.prepare()
    return module


def fitted(lalm, data, voters):
    module = FitFreeModule(lalm, voters, data.task())
    run = trainer()
    run.validate(module, datamodule=data, verbose=False)
    return module, run


def test_the_model_stays_frozen(lalm, data):
    before = parameters_hash(lalm.model)
    module, run = fitted(lalm, data, {"calm": Calm()})
    run.test(module, datamodule=data, verbose=False)
    assert parameters_hash(lalm.model) == before
    assert not any(p.requires_grad for p in module.parameters())


def test_fitting_in_validation_equals_fitting_the_voters_by_hand(lalm, data):
    voters = {"sav": Sav(5), "calm_global": CalmGlobal(), "calm": Calm(top_k=7)}
    fitted(lalm, data, voters)
    vectors, labels = [], []
    for batch in data.val_dataloader():
        (one,) = batch.passes
        vectors.append(lalm(one.inputs).vectors_NHD)
        labels += [data.classes[c] for c in batch.label_N]
    x_NHD = torch.cat(vectors)
    for alone, inside in zip((Sav(5), CalmGlobal(), Calm(top_k=7)), voters.values(), strict=True):
        alone.fit(x_NHD, labels)
        assert torch.equal(alone.centroids_, inside.centroids_)
        assert torch.equal(alone.reliability_, inside.reliability_)
        assert torch.equal(alone.weights_, inside.weights_)
        assert list(inside.classes_) == list(data.classes)


def test_testing_twice_gives_the_same(lalm, data):
    module, run = fitted(lalm, data, {"calm": Calm()})
    run.test(module, datamodule=data, verbose=False)
    first = module.results["calm"]
    run.test(module, datamodule=data, verbose=False)
    again = module.results["calm"]
    assert (again.values, again.ci95, again.n) == (first.values, first.ci95, first.n)
    assert module.results["calm"].n == 9


def test_one_forward_pass_a_clip(lalm, data, monkeypatch):
    seen = []
    forward = lalm.model.model.language_model.forward

    def counted(*args, **kwargs):
        seen.append(kwargs["inputs_embeds"].shape[0])
        return forward(*args, **kwargs)

    monkeypatch.setattr(lalm.model.model.language_model, "forward", counted)
    module, run = fitted(lalm, data, {"sav": Sav(), "calm_global": CalmGlobal(), "calm": Calm()})
    run.test(module, datamodule=data, verbose=False)
    assert sum(seen) == len(data.support) + len(data.query)


def test_a_clip_that_comes_twice_is_noticed(lalm, data):
    module, run = fitted(lalm, data, {"calm": Calm()})
    batches = list(data.test_dataloader())
    twice = DataLoader(batches * 2, batch_size=None, collate_fn=lambda batch: batch)
    with pytest.raises(RunError, match="exactly once"):
        run.test(module, dataloaders=twice, verbose=False)


def test_head_vectors_of_a_model_that_overflows_are_refused(lalm, data, monkeypatch):
    forward = lalm.forward

    def overflow(inputs):
        output = forward(inputs)
        output.vectors_NHD[0, 0, 0] = float("inf")
        return output

    monkeypatch.setattr(lalm, "forward", overflow)
    with pytest.raises(BadClipError, match=r"\.wav: the model's head vectors are not finite"):
        fitted(lalm, data, {"calm": Calm()})


@pytest.mark.parametrize(
    ("launcher", "ranks", "refused"), [("spawn", 2, True), ("spawn", 1, False), (None, 2, False)]
)
def test_ranks_that_do_not_outlive_a_stage_are_refused(lalm, launcher, ranks, refused):
    from types import SimpleNamespace

    from lightning.pytorch.strategies.launchers import _MultiProcessingLauncher

    from calm_pl.data.questions.clips import Round
    from calm_pl.data.questions.task import Task

    module = FitFreeModule(lalm, {}, Task(("a", "b"), (), (), (Round("", 0, (), (), ()),)))
    anew = _MultiProcessingLauncher(SimpleNamespace(), launcher) if launcher else None
    module._trainer = SimpleNamespace(world_size=ranks, strategy=SimpleNamespace(launcher=anew))
    if refused:
        with pytest.raises(RunError, match="the fit would be lost after all the encoding"):
            module.setup("validate")
    else:
        module.setup("validate")
