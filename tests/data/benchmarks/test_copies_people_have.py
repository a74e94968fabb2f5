"""Layouts of the same sets as they lie on people's disks, beside the official ones."""

import pytest
from tiny_layouts import (
    ASV_ROWS,
    VGG_ROWS,
    asvspoof,
    audioset,
    module,
    prepared,
    speech_commands,
    touch,
    urbansound8k,
    vgg_name,
    vggsound,
)

from calm_pl.errors import DataError


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("audio", "{0}_{ms}_{end}.wav"),
        ("audio", "{0}_{1}.flac"),
        ("videos", "{0}_{1:06d}.mp4"),
        ("videos", "{0}_{ms}_{end}.mp4"),
    ],
)
def test_vggsound(tmp_path, folder, name):
    vggsound(tmp_path, audio=None)
    for row in VGG_ROWS:
        touch(tmp_path / folder / name.format(*row, ms=row[1] * 1000, end=row[1] * 1000 + 10_000))
    data = prepared("vggsound", tmp_path, shots=None)
    assert not data.missing
    assert {q.clip.id for q in data.query} == {vgg_name(row) for row in VGG_ROWS if row[3] == "test"}
    if folder == "videos":
        assert not prepared("vggvideo", tmp_path, shots=None).missing


def test_a_vggsound_clip_that_begins_elsewhere_is_another(tmp_path):
    vggsound(tmp_path)
    (tmp_path / "audio" / f"{vgg_name(VGG_ROWS[0])}.wav").rename(
        tmp_path / "audio" / f"{VGG_ROWS[0][0]}_30500_40500.wav"
    )
    clips = module("vggsound", tmp_path).benchmark.read().clips
    assert [clip.id for clip in clips if not clip.path.exists()] == [vgg_name(VGG_ROWS[0])]


def test_audioset_folders_beside_the_list(tmp_path):
    audioset(tmp_path)
    for split in ("balanced_train", "eval"):
        (tmp_path / "audio" / split).rename(tmp_path / split)
    assert not prepared("audioset", tmp_path, shots=None, n_options=2).missing


def test_an_audioset_list_saved_by_a_spreadsheet_is_refused(tmp_path):
    audioset(tmp_path)
    for name, line in (("eval", 4), ("balanced_train", 5)):
        path = tmp_path / f"{name}_segments.csv"
        before = path.read_text()
        lines = before.splitlines()
        lines[line - 1] = "#NAME?" + lines[line - 1][11:]
        path.write_text("\n".join(lines) + "\n")
        with pytest.raises(
            DataError, match=rf"{name}_segments.csv, line {line}: YTID is '#NAME\?', as spread"
        ):
            module("audioset", tmp_path).benchmark.read()
        path.write_text(before)


@pytest.mark.parametrize("folder", ["flac", "wav", "."])
def test_asvspoof_as_wav_with_blanks_at_line_ends(tmp_path, folder):
    asvspoof(tmp_path, {split: [f"{row} " for row in rows] for split, rows in ASV_ROWS.items()})
    for path in sorted(tmp_path.rglob("*.flac")):
        target = path.parent.parent / folder / f"{path.stem}.wav"
        target.parent.mkdir(exist_ok=True)
        path.rename(target)
    data = prepared("asvspoof2019_la", tmp_path, shots=None)
    assert not data.missing
    assert len(data.query) == 3


def test_speech_commands_lists_of_an_editor(tmp_path):
    speech_commands(tmp_path)
    path = tmp_path / "testing_list.txt"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b" \r\n") + b"\r\n\r\n")
    touch(tmp_path / "bed" / "._0132a06d_nohash_0.wav")
    data = prepared("speech_commands", tmp_path, shots=None)
    assert len(data.query) == 2
    assert not data.missing


def test_urbansound8k_of_kaggle(tmp_path):
    root = urbansound8k(tmp_path / "x")
    for path in [*(root / "audio").iterdir(), root / "metadata" / "UrbanSound8K.csv"]:
        path.rename(tmp_path / path.name)
    data = prepared("urbansound8k", tmp_path, shots=None)
    assert (len(data.support), len(data.query), data.missing) == (18, 2, [])


def test_esc50_of_kaggle(tmp_path):
    rows = [
        f"{fold}-{label}.wav,{fold},{n},{label},True,{fold}{n}00,A"
        for fold in (1, 2)
        for n, label in enumerate(("dog", "rooster"))
    ]
    (tmp_path / "esc50.csv").write_text(
        "\n".join(["filename,fold,target,category,esc10,src_file,take", *rows])
    )
    for row in rows:
        touch(tmp_path / "audio" / "audio" / row.split(",")[0])
    data = prepared("esc50", tmp_path, shots=None)
    assert (len(data.support), len(data.query), data.missing) == (2, 2, [])


def test_fsdd_without_files_of_other_systems(tmp_path):
    for digit in (0, 1):
        for take in (0, 6):
            touch(tmp_path / "recordings" / f"{digit}_anna_{take}.wav")
            touch(tmp_path / "recordings" / f"._{digit}_anna_{take}.wav")
    assert len(module("fsdd", tmp_path).benchmark.read().clips) == 4
