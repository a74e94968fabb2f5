"""Answers on disk: found again, by other processes too, and never read damaged."""

import pytest
from made_records import key

from calm_pl.bank import AnswerStore


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "answers"


def test_what_was_appended_is_found_again(folder):
    store = AnswerStore(folder)
    assert not folder.exists()  # nothing before the first append
    store.append({key(1): ["A", "it's “B”\nor not"], key(2): []})
    assert store[key(1)] == ["A", "it's “B”\nor not"]
    again = AnswerStore(folder)
    assert key(1) not in again
    again.refresh()
    assert (len(again), again[key(1)], again[key(2)]) == (2, store[key(1)], [])
    assert key(3) not in again


def test_each_process_writes_a_file_of_its_own(folder):
    one, other = AnswerStore(folder), AnswerStore(folder)
    one.append({key(1): ["A"]})
    other.append({key(2): ["B"]})
    one.append({key(3): ["C"]})
    assert len(list(folder.iterdir())) == 2
    for store in (one, other):
        store.refresh()
        assert [store[key(n)] for n in (1, 2, 3)] == [["A"], ["B"], ["C"]]


def test_a_torn_line_is_absent_until_it_is_whole(folder):
    store = AnswerStore(folder)
    store.append({key(1): ["A"], key(2): ["B"]})
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    reader = AnswerStore(folder)
    reader.refresh()
    assert key(1) in reader
    assert key(2) not in reader
    path.write_bytes(whole)
    reader.refresh()
    assert reader[key(2)] == ["B"]


@pytest.mark.parametrize("place", [0, 3, 40, 80])
def test_a_damaged_line_is_absent(folder, place):
    store = AnswerStore(folder)
    store.append({key(1): ["A", "B"], key(2): ["C"]})
    (path,) = folder.iterdir()
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    reader = AnswerStore(folder)
    reader.refresh()
    assert key(1) not in reader
    assert reader[key(2)] == ["C"]


def test_what_is_no_key_is_refused(folder):
    with pytest.raises(ValueError, match="64 hexadecimal digits"):
        AnswerStore(folder).append({"abc": ["A"]})
    assert not folder.exists()
