"""The support's vectors in memory and on disk: the same ones, and the same classifiers."""

import sys

import pytest
import torch
from test_module import trainer

from calm_pl import Calm, Sav
from calm_pl.bank import ContentIndex, HeadBank
from calm_pl.data.benchmarks.esc50 import ESC50
from calm_pl.data.loading.banked import BankLink
from calm_pl.data.loading.base import FewShotDataModule
from calm_pl.data.settings import DataSettings
from calm_pl.evaluation import support_store
from calm_pl.evaluation.module import FitFreeModule
from calm_pl.evaluation.support_store import SupportStore
from calm_pl.voters import CalmAuto

NOTHING = torch.empty(0, 3, 4)
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="spilling needs Linux")


def filled(store, dtype=torch.float32):
    x_NHD = torch.arange(7 * 12, dtype=dtype).reshape(7, 3, 4)
    for start in range(0, 7, 2):
        part = slice(start, start + 2)
        store.add(10 + torch.arange(7)[part], x_NHD[part])
    return x_NHD


@needs_linux
@pytest.mark.parametrize("limit", [0, 200, 10**9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rows_come_back_as_they_went(tmp_path, limit, dtype):
    store = SupportStore(tmp_path, limit)
    x_NHD = filled(store, dtype)
    assert store.is_spilled == (limit < x_NHD.nbytes)
    assert store.index == list(range(10, 17))
    for rows in ([], [0], [5, 2, 6], list(range(7))):
        found = store.vectors(rows, NOTHING)
        assert found.dtype == dtype
        assert torch.equal(found, x_NHD[rows])
    assert list(tmp_path.iterdir()) == []  # its files have no name
    store.close()
    assert torch.equal(found, x_NHD)  # what was handed out stays


def test_without_a_folder_all_stays_in_memory():
    store = SupportStore(None, 0)
    x_NHD = filled(store)
    assert not store.is_spilled
    assert torch.equal(store.vectors([1, 3], NOTHING), x_NHD[[1, 3]])


def test_a_rank_without_clips_has_nothing():
    assert SupportStore(None).vectors([], NOTHING) is NOTHING


@needs_linux
def test_a_spilled_support_is_fitted_alike(lalm, esc_root, tmp_path, monkeypatch):
    def weights(limit):
        monkeypatch.setattr(support_store, "SPILL_BYTES", limit)
        data = FewShotDataModule(
            ESC50(DataSettings(str(esc_root), shots=4, draws=2, n_options=3, num_workers=0)), lalm.preparer
        )
        data.prepare()
        bank = HeadBank(tmp_path / str(limit))
        data.bank = BankLink(bank, ContentIndex(tmp_path / "content"), lalm.identity())
        module = FitFreeModule(lalm, {"sav": Sav(5), "calm": Calm(), "calm_auto": CalmAuto()}, data.task())
        spills = []
        whole = support_store._nameless
        monkeypatch.setattr(support_store, "_nameless", lambda folder: spills.append(True) or whole(folder))
        run = trainer()
        run.validate(module, datamodule=data, verbose=False)
        assert bool(spills) == (limit == 0)
        run.test(module, datamodule=data, verbose=False)
        return module

    held, spilled = weights(10**9), weights(0)
    for name, rounds in held.fitted.items():
        for one, other in zip(rounds, spilled.fitted[name], strict=True):
            for key, tensor in one.fitted_state().items():
                assert torch.equal(tensor, other.fitted_state()[key]), (name, key)
    assert torch.equal(held.predictions.label_QDM, spilled.predictions.label_QDM)


def test_a_gpu_holds_a_sixteenth_of_its_memory(monkeypatch):
    from types import SimpleNamespace

    gpu = torch.device("cuda", 0)
    assert support_store.most_held(torch.device("cpu")) == 2**30
    for total, most in ((80 * 2**30, 5 * 2**30), (8 * 2**30, 2**30)):
        found = SimpleNamespace(total_memory=total)
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device, found=found: found)
        assert support_store.most_held(gpu) == most
