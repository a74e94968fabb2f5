"""What was appended is found and read, to the bit, in any order, by this object and by any later one."""

import json
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch
from conftest import REPO
from hypothesis import given, settings
from hypothesis import strategies as st
from made_records import HEADS, IDENTITY, key, records, same, shards
from safetensors import safe_open

from calm_pl.bank import HeadBank, LostRecords, Records, clip_key, verify
from calm_pl.errors import RunError

numbers = st.integers(0, 30)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.lists(numbers, max_size=5)),
        st.tuples(st.just("read"), st.lists(numbers, max_size=8)),
        st.tuples(st.sampled_from(["reopen", "close", "refresh", "other"]), st.just([])),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(steps=steps)
def test_any_order_of_appends_reads_merges_and_openings(steps):
    with tempfile.TemporaryDirectory() as folder:
        bank, other = HeadBank(folder, merge_count=3), HeadBank(folder, merge_count=2)
        held = set()
        for what, which in steps:
            if what == "append":
                assert bank.append(records(which), IDENTITY) == len(set(which) - held)
                held |= set(which)
            elif what == "read":
                keys = [key(n) for n in which]
                found = bank.find(keys)
                assert found.present_N.tolist() == [n in held for n in which]
                assert found.missing == [i for i, n in enumerate(which) if n not in held]
                there = [n for n in which if n in held]
                if there:
                    assert same(bank.read([key(n) for n in there]), records(there))
                for absent in set(which) - held:
                    with pytest.raises(LostRecords) as caught:
                        bank.read([key(absent)])
                    assert caught.value.keys == [key(absent)]
            elif what == "other":
                other.append(records([29, 30]))
                held |= {29, 30}
                bank.refresh()
            elif what == "reopen":
                bank = HeadBank(folder, merge_count=3)
            else:
                getattr(bank, what)()
            assert len(bank) == len(held)
        assert HeadBank(folder).find([key(n) for n in range(31)]).present_N.tolist() == [
            n in held for n in range(31)
        ]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_every_dtype_comes_back_to_the_bit(tmp_path, dtype):
    want = records(range(9), dtype)
    want.vectors_NHD[0, 0] = torch.tensor([torch.finfo(dtype).max, -0.0, 2.0**-24, torch.finfo(dtype).tiny])
    HeadBank(tmp_path).append(want, IDENTITY)
    assert same(HeadBank(tmp_path).read(want.keys), want)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_what_is_not_finite_is_never_stored_and_what_was_is_computed_again(
    tmp_path, dtype, value, monkeypatch
):
    bad, good = records(range(5), dtype), records(range(5), dtype)
    bad.vectors_NHD[3, 1, 2] = value
    with pytest.raises(ValueError, match="Expected finite `vectors_NHD`"):
        HeadBank(tmp_path).append(bad, IDENTITY)
    with monkeypatch.context() as earlier:
        earlier.setattr(HeadBank, "_refuse_not_finite", lambda *_: None)
        HeadBank(tmp_path).append(bad, IDENTITY)
    (fault,) = verify(tmp_path).faults
    assert (fault.num_lost, fault.clips) == (1, ["clip-3"])
    bank = HeadBank(tmp_path)
    with pytest.raises(LostRecords) as lost:
        bank.read(bad.keys)
    assert lost.value.keys == [bad.keys[3]]
    bank.append(good, IDENTITY)  # the others are there
    for opened in (bank, HeadBank(tmp_path)):
        assert same(opened.read(good.keys), good)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_rounded_on_request_and_never_mixed_with_exact_ones(tmp_path, dtype):
    want = records(range(5))
    bank = HeadBank(tmp_path, dtype=dtype)
    bank.append(want)
    got = bank.read(want.keys).vectors_NHD
    assert torch.equal(got, want.vectors_NHD.to(dtype))
    assert torch.equal(got, bank.rounded(want.vectors_NHD))
    exact = HeadBank(tmp_path)
    assert not exact.find(want.keys).present_N.any()
    exact.append(want)
    assert same(HeadBank(tmp_path).read(want.keys), want)
    assert torch.equal(HeadBank(tmp_path, dtype=dtype).read(want.keys).vectors_NHD, got)


def test_a_model_of_16_bit_needs_no_rounding(tmp_path):
    want = records(range(5), torch.float16)
    HeadBank(tmp_path, dtype=torch.float16).append(want)
    assert same(HeadBank(tmp_path).read(want.keys), want)


def test_rounding_that_would_overflow_is_refused(tmp_path):
    want = records(range(2))
    want.vectors_NHD[1, 0, 0] = 1e6
    with pytest.raises(RunError, match=r"1e\+06.*bfloat16"):
        HeadBank(tmp_path, dtype=torch.float16).append(want)
    HeadBank(tmp_path, dtype=torch.bfloat16).append(want)


def test_other_dtypes_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"torch.float16, torch.bfloat16 or None.*float64"):
        HeadBank(tmp_path, dtype=torch.float64)


def test_two_models_in_one_bank(tmp_path):
    small, large = {"weights": "s"}, {"weights": "l"}
    bank = HeadBank(tmp_path)
    a, b = records(range(4), identity=small), records(range(4), identity=large, heads=5)
    bank.append(a, small)
    bank.append(b, large)
    bank.close()
    again = HeadBank(tmp_path)
    assert len(again) == 8
    assert same(again.read(a.keys), a)
    assert same(again.read(b.keys), b)
    with pytest.raises(ValueError, match=r"one shape.*\(3, 4\) F32 and \(5, 4\) F32"):
        again.read([a.keys[0], b.keys[0]])


def test_whatever_makes_a_pass_another_makes_another_key():
    base = clip_key("c", "p", {"dtype": "float32", "attn": "sdpa"})
    assert base == clip_key("c", "p", {"attn": "sdpa", "dtype": "float32"})
    others = [
        clip_key("d", "p", {"dtype": "float32", "attn": "sdpa"}),
        clip_key("c", "q", {"dtype": "float32", "attn": "sdpa"}),
        clip_key("c", "p", {"dtype": "bfloat16", "attn": "sdpa"}),
        clip_key("c", "p", {"dtype": "float32", "attn": "eager"}),
        clip_key("c", "p", {"dtype": "float32"}),
        clip_key("cp", "", {"dtype": "float32", "attn": "sdpa"}),
    ]
    assert len({base, *others}) == 7
    with pytest.raises(ValueError, match="JSON"):
        clip_key("c", "p", {"dtype": torch.float32})


@pytest.mark.parametrize("bad", ["", "xyz", "ab" * 31, "ab" * 33, "a b" * 21 + "a"])
def test_a_key_that_is_none(tmp_path, bad):
    with pytest.raises(ValueError, match="64 hexadecimal digits"):
        HeadBank(tmp_path).find([bad])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vectors_NHD": torch.zeros(2, 12)}, r"\(N, H, D\).*\(2, 12\)"),
        ({"vectors_NHD": torch.zeros(2, 3, 4, dtype=torch.float64)}, "float64"),
        ({"vectors_NHD": torch.zeros(3, 3, 4)}, "Expected 2 of each part"),
        ({"option_scores_NO": torch.zeros(2, 4).double()}, r"\(N, O\) float32.*float64"),
        ({"meta": [{}]}, "'meta': 1"),
        ({"num_options_N": torch.tensor([0, 9])}, "between 0 and 4"),
    ],
    ids=str,
)
def test_parts_that_do_not_agree(change, message):
    parts = {
        "keys": [key(0), key(1)],
        "vectors_NHD": torch.zeros(2, 3, 4),
        "option_scores_NO": torch.zeros(2, 4),
        "meta": [{}, {}],
    }
    Records(**parts)
    with pytest.raises(ValueError, match=message):
        Records(**{**parts, **change})


def test_any_reader_of_safetensors_opens_a_shard(tmp_path):
    want = records(range(7), torch.bfloat16)
    HeadBank(tmp_path).append(want, IDENTITY)
    (path,) = shards(tmp_path)
    with safe_open(path, "pt") as file:
        assert torch.equal(file.get_tensor("vectors"), want.vectors_NHD)
        assert [bytes(row.tolist()).hex() for row in file.get_tensor("keys")] == want.keys
        assert json.loads(file.metadata()["identity"]) == IDENTITY


def test_nothing_is_written_before_the_first_append(tmp_path):
    bank = HeadBank(tmp_path / "bank")
    assert not bank.find([key(1)]).present_N.any()
    assert len(bank.read([])) == 0
    bank.append(records([]))
    bank.close()
    assert not (tmp_path / "bank").exists()


def test_reading_in_chunks_holds_little(tmp_path):
    want = records(range(40))
    HeadBank(tmp_path).append(want)
    chunks = list(HeadBank(tmp_path).iterate(want.keys, chunk_bytes=7 * HEADS * 4 * 4))
    assert [len(chunk) for chunk in chunks] == [7, 7, 7, 7, 7, 5]
    assert torch.equal(torch.cat([c.vectors_NHD for c in chunks]), want.vectors_NHD)


def test_memory_stays_bounded_when_much_is_read_and_merged(tmp_path):
    """A bank of 80 MB through 2 MB chunks: peak memory must not grow by half of it."""
    code = f"""
import os, resource, sys, torch
os.fsync = lambda descriptor: None
sys.path[:0] = [{str(REPO)!r}, {str(REPO / "tests" / "bank")!r}]
from calm_pl.bank import HeadBank, Records, verify
from made_records import key
def batch(i):
    x_NHD = torch.full((8, 64, 128), float(i))
    return Records([key(8 * i + n) for n in range(8)], x_NHD, torch.zeros(8, 0), [{{}}] * 8)
with HeadBank({str(tmp_path)!r}, merge_count=4, shard_bytes=2**26) as warm:
    for i in range(8): warm.append(batch(i))
    list(warm.iterate([key(n) for n in range(64)], 2**21))
verify({str(tmp_path)!r})
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before = peak()
with HeadBank({str(tmp_path)!r}, shard_bytes=2**26) as bank:
    for i in range(8, 320): bank.append(batch(i))
for records in HeadBank({str(tmp_path)!r}).iterate([key(n) for n in range(2560)], 2**21): pass
verify({str(tmp_path)!r})
print(peak() - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert sum(path.stat().st_size for path in shards(tmp_path)) > 80e6
    assert float(done.stdout) < 40


def test_a_folder_that_cannot_be_written_reads_fine():
    want = records(range(6))
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top) / "bank"
        HeadBank(folder).append(want)
        for path in [Path(top), folder, *folder.rglob("*")]:
            path.chmod(stat.S_IRUSR | stat.S_IROTH | (0o555 if path.is_dir() else 0))
        drop = "os.setgid(65534); os.setuid(65534)" if os.getuid() == 0 else ""
        code = f"""
import os, sys
sys.path[:0] = [{str(REPO)!r}, {str(REPO / "tests" / "bank")!r}]
from calm_pl.bank import HeadBank
from calm_pl.errors import RunError
from made_records import records, same
import torch, numpy
{drop}
with HeadBank({str(folder)!r}) as bank:
    assert same(bank.read(records(range(6)).keys), records(range(6)))
    try: bank.append(records([7]))
    except RunError as error: print(error)
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        for path in [Path(top), folder, *folder.rglob("*")]:
            path.chmod(0o755)
    assert done.returncode == 0, done.stderr
    assert "cannot be written: Permission denied. Choose another with bank.dir" in done.stdout


def test_a_newer_bank_is_refused(tmp_path):
    HeadBank(tmp_path).append(records([1]))
    (tmp_path / "bank.json").write_text('{"format": 2}')
    with pytest.raises(RunError, match=r"format 2, newer .* reads \(1\): update"):
        HeadBank(tmp_path)


def test_a_newer_shard_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("calm_pl.bank.writing.FORMAT", 2)
    with pytest.raises(RunError, match=r"'calm_pl.bank.2', which is newer"):
        HeadBank(tmp_path).append(records([1]))
    (tmp_path / "bank.json").unlink()
    with pytest.raises(RunError, match=r"'calm_pl.bank.2', which is newer.*update"):
        HeadBank(tmp_path)


def test_a_file_in_the_place_of_the_folder(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(RunError, match="is not a folder"):
        HeadBank(tmp_path / "file")
