"""Folds and draws in one run are what runs of their own give; held-out clips; candidates."""

import pytest
import torch
from lightning.pytorch import Trainer

from calm_pl import Calm, CalmGlobal, Sav
from calm_pl.data.benchmarks.esc50 import ESC50
from calm_pl.data.loading.base import FewShotDataModule
from calm_pl.data.settings import DataSettings
from calm_pl.evaluation.lineup import contenders
from calm_pl.evaluation.module import FitFreeModule


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


def voters(**options):
    return {"sav": Sav(5), "calm_global": CalmGlobal(0.1, **options), "calm": Calm(0.1, top_k=9, **options)}


def evaluated(lalm, root, zero_shot=None, made=None, **settings):
    """A module after validate and test, and its data."""
    settings = {"shots": 4, "n_options": 0, "num_workers": 0, "batch_size": 4, **settings}
    data = FewShotDataModule(ESC50(DataSettings(str(root), **settings)), lalm.preparer)
    data.prepare()
    task = data.task()
    module = FitFreeModule(lalm, contenders(made or voters(), task, zero_shot), task)
    run = trainer()
    run.validate(module, datamodule=data, verbose=False)
    run.test(module, datamodule=data, verbose=False)
    return module, data


def answers(module, fold, draw):
    """Predictions and confidences of one round by clip."""
    task, (seen, label, confidence) = module.task, module.predictions
    assert (seen == 1).all()
    return {
        query.clip.id: (label[q, draw].tolist(), confidence[q, draw])
        for q, query in enumerate(task.query)
        if task.folds[task.fold_Q[q]] == fold
    }


@pytest.fixture(scope="module")
def together(shared_lalm, esc_root):
    return evaluated(shared_lalm, esc_root, fold="all", draws=2, seed=3)[0]


@pytest.mark.parametrize("draw", [0, 1])
@pytest.mark.parametrize("fold", [1, 2, 3, 4, 5])
def test_each_round_is_a_run_of_its_own(lalm, esc_root, together, fold, draw):
    alone, _ = evaluated(lalm, esc_root, fold=fold, seed=3 + draw)
    number = 2 * (fold - 1) + draw
    assert together.task.rounds[number][:2] == (str(fold), draw)
    for name in alone.fitted:
        (one,), many = alone.fitted[name], together.fitted[name][number]
        torch.testing.assert_close(many.centroids_, one.centroids_, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(many.weights_, one.weights_, rtol=1e-4, atol=1e-5)
    in_one, in_own = answers(together, str(fold), draw), answers(alone, str(fold), 0)
    assert len(in_own) == 9
    assert in_one.keys() == in_own.keys()
    for clip, (labels, confidence) in in_own.items():
        assert in_one[clip][0] == labels
        torch.testing.assert_close(in_one[clip][1], confidence, rtol=1e-4, atol=1e-5)
    for method, result in alone.results.items():
        assert together.results[method].rounds[fold - 1][draw].values == result.values


def test_results_are_means_over_rounds(together):
    for result in together.results.values():
        accuracies = [one.values["accuracy"] for fold in result.rounds for one in fold]
        assert len(accuracies) == 10
        assert result.accuracy == pytest.approx(sum(accuracies) / 10, abs=2e-6)
        assert (result.n, result.clips, int(result.confusion_CC.sum())) == (45, 45, 45)
        low, high = result.ci95["accuracy"]
        assert low <= result.accuracy <= high


def test_rounds_are_fitted_apart(together):
    for one in together.contenders:
        fitted = one.fitted
        assert fitted[0] is one.voter
        assert len({id(voter) for voter in fitted}) == 10
        assert not any(torch.equal(fitted[0].centroids_, other.centroids_) for other in fitted[1:])


def test_every_question_is_encoded_once_however_many_rounds(lalm, esc_root, monkeypatch):
    seen = []
    forward = lalm.model.model.language_model.forward

    def counted(*args, **kwargs):
        seen.append(kwargs["inputs_embeds"].shape[0])
        return forward(*args, **kwargs)

    monkeypatch.setattr(lalm.model.model.language_model, "forward", counted)
    _, data = evaluated(lalm, esc_root, fold="all", draws=3, n_options=3, zero_shot="letters")
    assert sum(seen) == len(data.support) + len(data.query) <= 90


def vectors_of(lalm, loader):
    """Head vectors and options by position."""
    parts = [(lalm(one.inputs).vectors_NHD, batch.options_NO) for batch in loader for one in batch.passes]
    return torch.cat([x for x, _ in parts]), torch.cat([options for _, options in parts])


def test_held_out_clips_judge_heads_and_nothing_else(lalm, esc_root):
    module, data = evaluated(
        lalm, esc_root, heldout_shots=2, draws=2, made=voters(reliability_split="heldout")
    )
    x_NHD, _ = vectors_of(lalm, data.val_dataloader())

    def labelled(positions):
        positions = list(positions)
        return x_NHD[positions], [data.classes[data.support[p].label] for p in positions]

    for number, one in enumerate(module.task.rounds):
        assert len(one.heldout) == 6
        for name, fresh in voters(reliability_split="heldout").items():
            support, heldout = labelled(one.support), labelled(one.heldout)
            fresh.fit(*support, heldout=None if name == "sav" else heldout)
            fitted = module.fitted[name][number]
            torch.testing.assert_close(fitted.centroids_, fresh.centroids_)
            torch.testing.assert_close(fitted.reliability_, fresh.reliability_)
            torch.testing.assert_close(fitted.weights_, fresh.weights_)


def test_voters_choose_among_the_options_where_asked(lalm, esc_root):
    restricted, data = evaluated(
        lalm, esc_root, candidates="options", n_options=2, shots=1, zero_shot="letters"
    )
    free, _ = evaluated(lalm, esc_root, candidates="all", n_options=2, shots=1)
    x_NHD, options_NO = vectors_of(lalm, data.test_dataloader())
    listed_NC = torch.zeros(9, 3, dtype=torch.bool).scatter(1, options_NO, True)
    assert listed_NC.sum(1).tolist() == [2] * 9
    for m, name in enumerate(restricted.methods):
        labels_Q = restricted.predictions.label_QDM[:, 0, m]
        assert listed_NC.gather(1, labels_Q[:, None]).all(), name
        if name != "zero_shot":
            assert torch.equal(labels_Q, restricted.fitted[name][0].vote(x_NHD, listed_NC).winner_N)
            assert torch.equal(
                free.predictions.label_QDM[:, 0, m - 1], free.fitted[name][0].vote(x_NHD).winner_N
            )
