"""VGGSound and VGGVideo in their layouts."""

import pytest
from tiny_layouts import VGG_ROWS, labels, module, prepared, touch, vgg_name, vggsound, write

from calm_pl.errors import DataError


@pytest.mark.parametrize("parts", [False, True], ids=["vggsound.csv", "train.csv and test.csv"])
@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_both_label_files_give_the_same_clips(tmp_path, parts, suffix):
    data = prepared("vggsound", vggsound(tmp_path, parts=parts, audio=suffix), shots=None)
    assert data.classes == ("bird chirping, tweeting", "rapping")
    assert not data.missing
    assert {q.clip.id: label for q, label in zip(data.query, labels(data, data.query), strict=True)} == {
        "dddd-ddddd4_000007": "bird chirping, tweeting",
        "_eeeeeeeee5_000011": "rapping",
    }
    assert {q.clip.path.name for q in data.support} == {f"{vgg_name(r)}.{suffix}" for r in VGG_ROWS[:3]}


def test_ids_with_underscores_keep_their_video(tmp_path):
    groups = {c.id: c.groups for c in module("vggsound", vggsound(tmp_path)).benchmark.read().clips}
    assert groups["bbbbbbbbb_2_000000"] == ("video bbbbbbbbb_2",)
    assert groups["_eeeeeeeee5_000011"] == ("video _eeeeeeeee5",)


def test_sound_comes_from_the_audio_file_where_there_is_one(tmp_path):
    root = vggsound(tmp_path, video=True)
    (root / "audio" / f"{vgg_name(VGG_ROWS[0])}.wav").unlink()
    paths = {c.id: c.path for c in module("vggsound", root).benchmark.read().clips}
    assert paths[vgg_name(VGG_ROWS[0])] == root / "video" / f"{vgg_name(VGG_ROWS[0])}.mp4"
    assert paths[vgg_name(VGG_ROWS[1])] == root / "audio" / f"{vgg_name(VGG_ROWS[1])}.wav"
    assert all(c.video is None for c in module("vggsound", root).benchmark.read().clips)


def test_video_needs_the_frames_and_takes_the_sound_of_either(tmp_path):
    root = vggsound(tmp_path, video=True)
    (root / "audio" / f"{vgg_name(VGG_ROWS[0])}.wav").unlink()
    (root / "video" / f"{vgg_name(VGG_ROWS[1])}.mp4").unlink()
    data = module("vggvideo", root)
    clips = {c.id: c for c in data.benchmark.read().clips}
    only_video = clips[vgg_name(VGG_ROWS[0])]
    assert (only_video.path.suffix, only_video.video) == (".mp4", None)
    both = clips[vgg_name(VGG_ROWS[3])]
    assert (both.path.suffix, both.video.suffix) == (".wav", ".mp4")
    data.prepare()
    assert [c.id for c in data.missing] == [vgg_name(VGG_ROWS[1])]
    assert data.benchmark.modality == "video"


def test_missing_clips_are_named_and_the_rest_goes_on(tmp_path):
    root = vggsound(tmp_path)
    (root / "audio" / f"{vgg_name(VGG_ROWS[1])}.wav").unlink()
    data = prepared("vggsound", root, shots=2)
    assert [c.path.name for c in data.missing] == ["bbbbbbbbb_2_000000.wav"]
    assert (
        "4 of VGGSound's 199,176 clips (train 2 of 183,730, test 2 of 15,446), 2 of 309 classes" in data.notes
    )
    assert "1 of 5 listed clips are not on disk (missing.csv)" in data.notes
    assert any("have fewer support clips than requested" in note for note in data.notes)


def test_a_class_that_lost_its_support_stops(tmp_path):
    root = vggsound(tmp_path)
    (root / "audio" / f"{vgg_name(VGG_ROWS[0])}.wav").unlink()
    with pytest.raises(DataError, match="'bird chirping, tweeting' has no clip to take support from"):
        prepared("vggsound", root)


def test_sub_folders_of_the_media_are_searched(tmp_path):
    root = vggsound(tmp_path, audio=None)
    for row in VGG_ROWS:
        touch(root / "audio" / row[3] / f"{vgg_name(row)}.flac")
    assert not prepared("vggsound", root).missing


def test_one_video_in_both_splits_is_a_leak(tmp_path):
    root = vggsound(tmp_path)
    with (root / "vggsound.csv").open("a") as file:
        file.write("-ccccccccc3,200,rapping,test\n")
    touch(root / "audio" / "-ccccccccc3_000200.wav")
    with pytest.raises(DataError, match="video -ccccccccc3"):
        prepared("vggsound", root, shots=None)


def test_labels_are_checked_against_stat_csv(tmp_path):
    root = vggsound(tmp_path)
    write(root / "stat.csv", '"bird chirping, tweeting",1050,animals', "raping,1,people")
    with pytest.raises(
        DataError, match=r"vggsound.csv, line 2: unknown label 'rapping'; did you mean 'raping'"
    ):
        prepared("vggsound", root)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("short,3,rapping,train", r"line 6: id must be 11 letters, digits, _ or -, but is 'short'"),
        ("aaaaaaaaaa1,3.5,rapping,train", r"line 6: start must be a whole number of seconds, but is '3.5'"),
        ("aaaaaaaaaa1,-3,rapping,train", r"line 6: start must be a whole number"),
        ("aaaaaaaaaa1,3,rapping,val", r"line 6: split must be train or test, but is 'val'"),
        ("aaaaaaaaaa1,3,,train", r"line 6: label must not be empty"),
        ("aaaaaaaaaa1,3,bird chirping, tweeting,train", r"line 6: must have 4 fields .* but has more"),
        ("aaaaaaaaaa1,3,rapping", r"line 6: must have 4 fields .* but has fewer"),
        ("aaaaaaaaaa1,30,rapping,train", r"lists aaaaaaaaaa1_000030 more than once"),
        ('aaaaaaaaaa1,3,"rapping,train', r"cannot be read"),
    ],
)
def test_each_malformed_row_is_named(tmp_path, line, message):
    root = vggsound(tmp_path)
    with (root / "vggsound.csv").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(DataError, match=message):
        module("vggsound", root).benchmark.read()


def test_a_name_without_its_start_is_named(tmp_path):
    root = vggsound(tmp_path, parts=True)
    with (root / "test.csv").open("a") as file:
        file.write("aaaaaaaaaa1.mp4,rapping\n")
    with pytest.raises(DataError, match=r"test.csv, line 3: clip must be named <11-character id>"):
        module("vggsound", root).benchmark.read()


def test_a_test_list_alone_has_no_pool(tmp_path):
    root = vggsound(tmp_path, parts=True)
    (root / "train.csv").unlink()
    with pytest.raises(
        DataError, match=r"data.pool_split is 'train', but the clips on disk have the splits test"
    ):
        prepared("vggsound", root)


def test_a_wrong_root_says_what_is_expected(tmp_path):
    with pytest.raises(DataError, match=r"vggsound.csv is not in it.\s+Expected: a folder with vggsound.csv"):
        prepared("vggsound", tmp_path)
