"""What the module owns are contenders; one of a user's own takes part like those that are shipped."""

import pytest
import torch
from test_module import trainer

from calm_pl import Calm, CalmAuto, CalmGlobal, Gda, Sav
from calm_pl.data.benchmarks.esc50 import ESC50
from calm_pl.data.loading.base import FewShotDataModule
from calm_pl.data.settings import DataSettings
from calm_pl.errors import RunError
from calm_pl.evaluation.batch_prediction import BatchPrediction, explained
from calm_pl.evaluation.contenders import Contender, RoundQuery
from calm_pl.evaluation.lineup import contenders
from calm_pl.evaluation.module import FitFreeModule
from calm_pl.functional import HeadScorer


class MostFrequent(Contender):
    """Gives every clip the class that most support clips of the round have."""

    keeps_vectors = True

    def start(self):
        super().start()
        self.winners, self.batches = [], 0

    def collect(self, batch, encoded):
        self.batches += 1
        assert len(encoded.vectors_NHD) == len(batch.index_N)

    def fit(self, part):
        self.winners.append(int(part.support().counts_C.argmax()))

    def predict(self, query):
        proba_nC = torch.zeros(len(query.vectors()), query.num_classes)
        proba_nC[:, self.winners[query.number]] = 1.0
        return BatchPrediction(proba_nC.argmax(-1), proba_nC)


@pytest.fixture
def data(esc_root, lalm):
    settings = DataSettings(str(esc_root), shots=3, draws=2, n_options=3, num_workers=0, batch_size=4)
    made = FewShotDataModule(ESC50(settings), lalm.preparer)
    made.prepare()
    return made


def evaluated(lalm, data, some):
    module = FitFreeModule(lalm, some, data.task())
    run = trainer()
    run.validate(module, datamodule=data, verbose=False)
    run.test(module, datamodule=data, verbose=False)
    return module


def test_a_contender_of_ones_own_is_a_row(lalm, data):
    own = MostFrequent("most_frequent")
    module = evaluated(lalm, data, [*contenders({"calm": Calm()}, data.task()), own])
    assert module.methods == ["zero_shot", "calm", "most_frequent"]
    assert own.batches > 1
    assert len(own.winners) == 2
    assert module.results["most_frequent"].accuracy == pytest.approx(1 / 3)  # three classes, alike in number
    assert list(module.fitted) == ["calm"]
    assert {one.better for one in module.differences} | {one.worse for one in module.differences} == {
        *module.methods
    }


def test_shared_votes_are_those_of_each_voter_alone(lalm, data, monkeypatch):
    voters = {
        "sav": Sav(5),
        "calm_global": CalmGlobal(),
        "calm": Calm(),
        "gda": Gda(),
        "calm_auto": CalmAuto(),
    }
    together = evaluated(lalm, data, voters).predictions
    monkeypatch.setattr(
        RoundQuery, "decision", lambda self, voter: voter.vote(self.vectors(), self.candidates_nC)
    )
    fresh = {name: type(voter)(**voter.get_params()) for name, voter in voters.items()}
    alone = evaluated(lalm, data, fresh).predictions
    for ours, theirs in zip(together, alone, strict=True):
        assert torch.equal(ours, theirs)


def test_scores_of_one_support_are_computed_once_a_batch(lalm, data, monkeypatch):
    calls = []
    score = HeadScorer._products
    monkeypatch.setattr(
        HeadScorer,
        "_products",
        lambda self, *args: calls.append((self.num_heads, args[0].shape[1])) or score(self, *args),
    )
    module = FitFreeModule(lalm, {"sav": Sav(5), "calm_global": CalmGlobal(), "calm": Calm()}, data.task())
    run = trainer()
    run.validate(module, datamodule=data, verbose=False)
    # All three voters are fitted from one pass.
    assert sum(clips for _, clips in calls) == sum(len(one.support) for one in data.task().rounds)
    calls.clear()
    run.test(module, datamodule=data, verbose=False)
    # Two draws; both CALMs share the scores of all heads, and SAVs score the five that they keep.
    heads = lalm.layout.num_heads
    assert sum(clips for some, clips in calls if some == heads) == 2 * len(data.task().query)
    assert sum(clips for some, clips in calls if some == 5) == 2 * len(data.task().query)


def test_a_voter_votes_where_it_is_put():
    x_NHD, labels = torch.randn(12, 3, 4), [0, 1] * 6
    for voter in (Sav(2), Calm(), CalmGlobal(), Gda(), CalmAuto()):
        moved = voter.fit(x_NHD, labels).to(torch.device("meta"))
        tensors = [value for value in vars(moved).values() if isinstance(value, torch.Tensor)]
        assert len(tensors) > 2
        assert {tensor.device.type for tensor in tensors} == {"meta"}


def test_a_gpu_without_memory_for_a_fit_is_told_in_a_sentence():
    told = r"The support cannot be fitted: the GPU has too little memory for it\. .*gda, calm_auto"
    with pytest.raises(RunError, match=told), explained("The support cannot be fitted"):
        raise torch.OutOfMemoryError("CUDA out of memory")
