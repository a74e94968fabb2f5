"""What a prune takes and what it leaves; what other tools get."""

import json
import os
import time

import numpy as np
import pytest
import torch
from made_records import IDENTITY, key, records, same, shards

from calm_pl.bank import HeadBank, Wish, export, identity_hash, info, prune, verify
from calm_pl.bank.keys import canonical
from calm_pl.errors import RunError

OTHER = {"weights": "other"}
DAY = 86_400


@pytest.fixture
def aged(tmp_path, monkeypatch):
    """Record n is n days old, three in a shard; those of another model are new."""
    now = time.time_ns()
    for first in (0, 3, 6):
        with HeadBank(tmp_path) as bank:
            for n in range(first, first + 3):
                monkeypatch.setattr("time.time_ns", lambda n=n: now - n * DAY * 10**9)
                bank.append(records([n]), IDENTITY)
    monkeypatch.setattr("time.time_ns", lambda: now)
    HeadBank(tmp_path).append(records(range(3), identity=OTHER), OTHER)
    assert len(shards(tmp_path)) == 4
    return tmp_path


def left(folder):
    found = HeadBank(folder).find([key(n) for n in range(9)]).present_N
    return found.nonzero().flatten().tolist()


def test_nothing_changes_without_being_asked_twice(aged):
    before = {p.name: p.stat().st_mtime_ns for p in aged.rglob("*")}
    outcome = prune(aged, Wish(older_than=4.5 * DAY))
    assert outcome.num_records == 4
    assert before == {p.name: p.stat().st_mtime_ns for p in aged.rglob("*")}


def test_by_age_to_the_record(aged):
    assert prune(aged, Wish(older_than=4.5 * DAY), act=True).num_records == 4
    assert left(aged) == [0, 1, 2, 3, 4]
    kept = [key(n) for n in range(5)]
    assert same(HeadBank(aged).read(kept), records(range(5)))
    assert len(HeadBank(aged)) == 8
    assert verify(aged).faults == []


def test_by_model(aged):
    name = identity_hash(canonical(IDENTITY))
    assert prune(aged, Wish(model=name[:6]), act=True).num_records == 9
    assert left(aged) == []
    assert len(HeadBank(aged)) == 3


def test_by_size_the_oldest_go(aged):
    total = sum(path.stat().st_size for path in shards(aged))
    outcome = prune(aged, Wish(max_bytes=total // 2), act=True)
    assert left(aged) == list(range(9 - outcome.num_records))
    assert 4 <= outcome.num_records <= 8
    assert sum(path.stat().st_size for path in shards(aged)) <= total // 2
    assert same(HeadBank(aged).read([key(n, OTHER) for n in range(3)]), records(range(3), identity=OTHER))


def test_unfinished_files_go_when_they_are_old(aged):
    old, new = aged / "shards" / "a.safetensors.part", aged / "shards" / "b.safetensors.part"
    old.touch()
    new.touch()
    os.utime(old, (0, 0))
    prune(aged, Wish(), act=True)
    assert [p.name for p in (aged / "shards").glob("*.part")] == [new.name]


def test_a_folder_that_is_no_bank(tmp_path):
    for work in (prune, info, verify):
        with pytest.raises(RunError, match="is not a head bank"):
            work(tmp_path, *([Wish()] if work is prune else []))


def test_info(aged):
    HeadBank(aged, dtype=torch.float16).append(records([1]), IDENTITY)
    found = info(aged)
    assert (found.num_records, found.num_copies, found.num_clips, found.num_shards) == (12, 1, 9, 5)
    assert found.prompts == {"0?": 7, "1?": 6}
    assert found.num_bytes == sum(path.stat().st_size for path in shards(aged))
    shares = [(m.identity["weights"], m.dtype, m.shape, m.num_records) for m in found.models]
    assert sorted(shares) == [
        ("abc", "F16 (rounded)", (3, 4), 1),
        ("abc", "F32", (3, 4), 9),
        ("other", "F32", (3, 4), 3),
    ]
    main = next(m for m in found.models if m.num_records == 9)
    assert main.newest - main.oldest == 8 * DAY * 10**9


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_export_to_numpy(tmp_path, dtype):
    want = records(range(6), dtype)
    for _ in range(2):  # copies come once
        bank = HeadBank(tmp_path / "bank")
        bank._index.__init__()
        bank.append(want, IDENTITY)
    (folder,) = export(tmp_path / "bank", tmp_path / "out")
    vectors = np.load(folder / "vectors.npy", mmap_mode="r", allow_pickle=False)
    assert vectors.dtype == (np.float16 if dtype == torch.float16 else np.float32)
    assert torch.equal(torch.from_numpy(np.array(vectors)).to(dtype), want.vectors_NHD)
    assert np.load(folder / "keys.npy", allow_pickle=False).tolist() == want.keys
    scores = np.load(folder / "option_scores.npy", allow_pickle=False)
    assert np.array_equal(np.nan_to_num(scores, nan=-np.inf), want.option_scores_NO.numpy())
    lines = (folder / "meta.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == want.meta
    assert json.loads((folder / "identity.json").read_text()) == IDENTITY


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_export_to_parquet(tmp_path, dtype):
    pq = pytest.importorskip("pyarrow.parquet", reason="needs the extra 'parquet'")
    want = records(range(6), dtype)
    HeadBank(tmp_path / "bank").append(want, IDENTITY)
    HeadBank(tmp_path / "bank").append(records([1], identity=OTHER), OTHER)
    files = export(tmp_path / "bank", tmp_path / "out", "parquet")
    tables = {pq.read_table(file).num_rows: pq.read_table(file) for file in files}
    assert sorted(tables) == [1, 6]
    rows = tables[6].to_pylist()
    assert [row["key"] for row in rows] == want.keys
    assert [row["id"] for row in rows] == [meta["id"] for meta in want.meta]
    assert [row["seconds"] for row in rows] == [meta["seconds"] for meta in want.meta]
    got = torch.tensor([row["vectors"] for row in rows], dtype=torch.float32).to(dtype)
    assert torch.equal(got.reshape(want.vectors_NHD.shape), want.vectors_NHD)
    assert [len(row["option_scores"]) for row in rows] == want.num_options_N.tolist()
    assert json.loads(tables[6].schema.metadata[b"identity"]) == IDENTITY


def test_parquet_without_pyarrow(tmp_path, monkeypatch):
    HeadBank(tmp_path / "bank").append(records([1]), IDENTITY)
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(RunError, match=r"pip install 'calm_pl\[parquet\]'"):
        export(tmp_path / "bank", tmp_path / "out", "parquet")
