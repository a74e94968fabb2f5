"""ASVspoof 2019 LA in its layout."""

import pytest
from tiny_layouts import ASV_ROWS, asvspoof, labels, module, prepared

from calm_pl.errors import DataError


@pytest.mark.parametrize("above", [False, True])
def test_splits_attacks_and_speakers(tmp_path, above):
    root = asvspoof(tmp_path / "LA")
    data = prepared("asvspoof2019_la", tmp_path if above else root, shots=None, heldout_shots=1)
    assert data.classes == ("bonafide", "spoofed")
    assert [(q.clip.id, q.clip.subset) for q in data.query] == [
        ("LA_E_2834763", "A11"),
        ("LA_E_8877452", "A14"),
        ("LA_E_5849185", ""),
    ]
    assert labels(data, data.query) == ["spoofed", "spoofed", "bonafide"]
    (one,) = data.rounds
    assert {data.support[i].clip.split for i in one.support} == {"train"}
    assert {data.support[i].clip.split for i in one.heldout} == {"dev"}
    assert data.query[0].clip.groups == ("speaker LA_0039",)
    assert data.query[0].clip.path.is_file()


def test_the_task_names_what_is_positive_and_what_results_are_broken_down_by(tmp_path):
    data = prepared("asvspoof2019_la", asvspoof(tmp_path))
    assert data.task().positive == 0
    assert data.benchmark.by_subset == "attack"


def test_the_question_is_the_paper_s(tmp_path):
    data = prepared("asvspoof2019_la", asvspoof(tmp_path), n_options=2)
    asked = {q.question for q in (*data.support, *data.query)}
    both = ("A. bonafide B. spoofed", "A. spoofed B. bonafide")
    assert asked <= {f"Is this audio bonafide or spoofed? {options}" for options in both}


def test_a_set_without_evaluation_protocol_is_evaluated_on_dev(tmp_path):
    root = asvspoof(tmp_path, {split: ASV_ROWS[split] for split in ("train", "dev")})
    with pytest.raises(
        DataError, match=r"data.query_split is 'eval', but the clips on disk have the splits dev, train"
    ):
        prepared("asvspoof2019_la", root)
    data = prepared("asvspoof2019_la", root, query_split="dev")
    assert len(data.query) == 2
    assert data.benchmark.read().heldout is None


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("LA_0079 LA_T_1 - - spoofed", r"trn.txt, line 5: the last field must be bonafide or spoof, but is"),
        ("LA_0079 LA_X_1 - - bonafide", r"line 5: utterance must look like LA_T_1000137, but is 'LA_X_1'"),
        ("LA_0079 ../LA_T_1 - - bonafide", r"line 5: utterance must look like"),
        ("LA_0079 LA_T_1 - A01 bonafide", r"line 5: attack must be - for bonafide, but is 'A01'"),
        ("LA_0079 LA_T_1 - - spoof", r"line 5: attack must be A01 to A19 for spoof, but is '-'"),
        ("LA_0079 LA_T_1 - bonafide", r"line 5: must have 5 fields"),
        ("LA_0079 LA_T_1138215 - - bonafide", r"lists LA_T_1138215 more than once"),
    ],
)
def test_each_malformed_line_is_named(tmp_path, line, message):
    root = asvspoof(tmp_path)
    with (root / "ASVspoof2019_LA_cm_protocols" / "ASVspoof2019.LA.cm.train.trn.txt").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(DataError, match=message):
        module("asvspoof2019_la", root).benchmark.read()


def test_a_folder_without_protocols_says_so(tmp_path):
    (tmp_path / "ASVspoof2019_LA_cm_protocols").mkdir()
    with pytest.raises(DataError, match=r"contains no protocol named ASVspoof2019.LA.cm"):
        module("asvspoof2019_la", tmp_path).benchmark.read()
