"""Official copies of ESC-10 and FSDD, where they lie beside the repository, are parsed as published."""

from collections import Counter
from pathlib import Path

import pytest

pytest_plugins = ["tiny_data_sets"]

SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data"


def official(name: str) -> Path:
    """An official copy, or a skip."""
    root = SHARED / name
    if not root.is_dir():
        pytest.skip(f"no official copy of {name} beside the repository (../shared/data/{name})")
    return root


@pytest.mark.parametrize("fold", [1, 2, 3, 4, 5])
def test_esc10(make, fold):
    module = make("esc50", official("esc10"), fold=fold, shots=None)
    module.prepare()
    assert len(module.classes) == 10
    assert len(module.query) == 80
    assert len(module.support) == 320
    assert set(Counter(q.label for q in module.query).values()) == {8}


def test_fsdd(make):
    module = make("fsdd", official("fsdd"), shots=None)
    module.prepare()
    assert len(module.classes) == 10
    assert len(module.query) == 300
    assert len(module.support) == 2_700
    assert set(Counter(q.label for q in module.query).values()) == {30}
    assert module.notes == []


@pytest.mark.parametrize("fold", range(1, 7))
def test_fsdd_by_speaker(make, fold):
    module = make("fsdd", official("fsdd"), fold=fold, shots=None)
    module.prepare()
    assert len(module.query) == 500
    assert len(module.support) == 2_500


def test_esc10_clips_of_a_batch_are_read(make, preparer):
    preparer.max_seconds = 30.0
    preparer.sample_rate = 16_000
    module = make("esc50", official("esc10"), batch_size=4)
    module.prepare()
    batch = next(iter(module.test_dataloader()))
    assert not batch.failures
    assert all(4.9 < n / 16_000 < 8 for n in batch.passes[0].inputs["lengths"].tolist())
