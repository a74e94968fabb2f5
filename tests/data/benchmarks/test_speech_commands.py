"""Speech Commands in its layout, and the rule behind its lists."""

import hashlib

import pytest
from tiny_layouts import SPEAKERS, module, prepared, speech_commands, write

from calm_pl.data.benchmarks.speech_commands import CLASSES, split_of
from calm_pl.errors import DataError


def test_the_lists_divide_the_clips(tmp_path):
    data = prepared("speech_commands", speech_commands(tmp_path), shots=3, heldout_shots=1)
    assert data.classes == ("bed", "yes")
    assert sorted(q.clip.id for q in data.query) == [
        f"{word}/{SPEAKERS[1]}_nohash_0.wav" for word in data.classes
    ]
    (one,) = data.rounds
    assert {data.support[i].clip.split for i in one.heldout} == {"validation"}
    assert {data.support[i].clip.groups for i in one.support} == {(f"speaker {s}",) for s in SPEAKERS[2:]}
    assert any("10 of Speech Commands's 105,829 clips" in note for note in data.notes)


def test_all_35_words_are_classes():
    assert len(CLASSES) == len(set(CLASSES)) == 35
    assert list(CLASSES) == sorted(CLASSES)


def test_a_listed_clip_that_is_gone_is_missing(tmp_path):
    root = speech_commands(tmp_path)
    gone = root / "yes" / f"{SPEAKERS[1]}_nohash_0.wav"
    gone.unlink()
    assert [c.path for c in prepared("speech_commands", root).missing] == [gone]


# With `printf a69b9b3e | sha1sum`: the digest ends in 863f723, whose last 27 bits are 6,551,331 of
# 134,217,727, which is 4.9 %; and the official validation list has this speaker.
@pytest.mark.parametrize(
    ("speaker", "percent", "split"),
    [("a69b9b3e", 4.9, "validation"), ("bb05582b", 18.1, "test"), ("0132a06d", 58.1, "train")],
)
def test_the_rule_by_hand(speaker, percent, split):
    last_bits = int(hashlib.sha1(speaker.encode()).hexdigest()[-7:], 16) & 0x7FFFFFF
    assert round(100 * last_bits / 134_217_727, 1) == percent
    assert split_of(speaker) == split


def test_without_lists_the_rule_divides(tmp_path):
    root = speech_commands(tmp_path, speakers=("a69b9b3e", "bb05582b", "0132a06d"), lists=False)
    listing = module("speech_commands", root).benchmark.read()
    assert {(c.groups[0], c.split) for c in listing.clips} == {
        ("speaker a69b9b3e", "validation"),
        ("speaker bb05582b", "test"),
        ("speaker 0132a06d", "train"),
    }
    assert len(prepared("speech_commands", root).query) == 2


def test_about_a_tenth_of_speakers_is_in_either_list():
    splits = [split_of(f"{n:08x}") for n in range(2_000)]
    assert 160 < splits.count("validation") < 240
    assert 160 < splits.count("test") < 240


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("cat/0132a06d_nohash_0.mp3", r"testing_list.txt, line 3: must be word/speaker_nohash_number.wav"),
        ("../yes/0132a06d_nohash_0.wav", r"line 3: must be word/speaker_nohash_number.wav"),
        ("kitten/0132a06d_nohash_0.wav", r"line 3: must be word/"),
        (f"bed/{SPEAKERS[0]}_nohash_0.wav", r"line 3: bed/.* is listed before, as validation"),
    ],
)
def test_each_malformed_line_is_named(tmp_path, line, message):
    root = speech_commands(tmp_path)
    with (root / "testing_list.txt").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(DataError, match=message):
        module("speech_commands", root).benchmark.read()


def test_one_list_without_the_other_is_refused(tmp_path):
    root = speech_commands(tmp_path)
    (root / "testing_list.txt").unlink()
    with pytest.raises(DataError, match=r"testing_list.txt is not in it"):
        module("speech_commands", root).benchmark.read()


def test_a_strange_file_name_is_named(tmp_path):
    root = speech_commands(tmp_path)
    write(root / "yes" / "mine.wav", "x")
    with pytest.raises(DataError, match=r"mine.wav: the name must have the form speaker_nohash_number.wav"):
        module("speech_commands", root).benchmark.read()


def test_an_empty_root_says_what_is_expected(tmp_path):
    with pytest.raises(DataError, match="one sub-folder a word"):
        module("speech_commands", tmp_path).benchmark.read()


def test_a_word_without_a_recording_is_named(tmp_path):
    root = speech_commands(tmp_path)
    write(root / "bird" / "0132a06d_nohash_0.flac", "")
    with pytest.raises(DataError, match=r"the folder of the word 'bird' contains no \.wav file; fill it"):
        module("speech_commands", root).benchmark.read()
