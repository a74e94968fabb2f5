"""Draws, held-out clips and their pools, on whole data modules."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_layouts import ASV_ROWS, asvspoof, prepared, speech_commands, touch, urbansound8k, write

from calm_pl.errors import DataError


def drawn(data, positions):
    return {(data.support[i].clip.id, data.support[i].label) for i in positions}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    """40 clips of two classes from 20 recordings, every fifth clip with both labels."""
    root = tmp_path_factory.mktemp("manifest")
    rows = []
    for i in range(40):
        touch(root / f"{i}.wav")
        label = "a|b" if i % 5 == 0 else "ab"[i % 2]
        rows.append(f"{i}.wav,{label},tape {i // 2},{'test' if i >= 30 else 'train'}")
    return str(write(root / "list.csv", "path,labels,group,split", *rows))


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 99))
def test_draws_are_nested_over_shots(manifest, few, more, seed):
    small = prepared("manifest", "", manifest=manifest, shots=few, seed=seed, draws=2)
    large = prepared("manifest", "", manifest=manifest, shots=few + more, seed=seed, draws=2)
    for one, other in zip(small.rounds, large.rounds, strict=True):
        assert drawn(small, one.support) < drawn(large, other.support)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 3), st.integers(1, 2), st.integers(0, 99))
def test_held_out_clips_share_no_group_with_the_support(manifest, shots, heldout, seed):
    data = prepared("manifest", "", manifest=manifest, shots=shots, heldout_shots=heldout, seed=seed, draws=2)
    for one in data.rounds:
        groups = {g for i in one.support for g in data.support[i].clip.groups}
        assert groups.isdisjoint(g for i in one.heldout for g in data.support[i].clip.groups)
        assert len(one.heldout) == 2 * heldout


def test_draws_differ_and_share_the_query(tmp_path):
    data = prepared("urbansound8k", urbansound8k(tmp_path), shots=2, draws=4)
    assert len({frozenset(drawn(data, one.support)) for one in data.rounds}) > 1
    assert len({one.query for one in data.rounds}) == 1


def test_a_split_of_held_out_clips_that_is_not_on_disk_matters_only_when_asked_for(tmp_path):
    root = asvspoof(tmp_path)
    for line in ASV_ROWS["dev"]:
        (root / "ASVspoof2019_LA_dev" / "flac" / f"{line.split()[1]}.flac").unlink()
    assert len(prepared("asvspoof2019_la", root).missing) == 2
    with pytest.raises(DataError, match="the split of held-out clips is 'dev', but the clips on disk have"):
        prepared("asvspoof2019_la", root, heldout_shots=1)


def test_a_set_with_splits_has_no_folds(tmp_path):
    with pytest.raises(DataError, match=r"data.fold is 1, but this data set has no folds"):
        prepared("speech_commands", speech_commands(tmp_path), fold=1)


def test_one_file_under_two_words_is_a_leak_by_its_content(tmp_path):
    root = speech_commands(tmp_path)
    (train,) = (root / "yes").glob("004ae714*")
    (query,) = (root / "yes").glob("0135f3f2*")
    query.write_bytes(train.read_bytes())
    with pytest.raises(DataError, match=r"files with the same bytes"):
        prepared("speech_commands", root, shots=None)
