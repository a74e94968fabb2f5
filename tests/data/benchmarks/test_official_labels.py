"""Official label files, where they lie beside the repository, are parsed as published; no sound is needed."""

from collections import Counter

import pytest
from conftest import SHARED
from tiny_layouts import labels, module, prepared, segments, touch

from calm_pl.errors import DataError


@pytest.fixture
def root_of(tmp_path):
    """A root made of links to official label files."""

    def make(name, **places):
        folder = SHARED / "labels" / name
        if not folder.is_dir():
            pytest.skip(f"no official labels of {name} beside the repository (../shared/data/labels/{name})")
        for path in folder.iterdir():
            target = tmp_path / places.get("below", "") / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(path)
        return tmp_path

    return make


def test_asvspoof_protocols(root_of):
    root = root_of("asvspoof2019_la", below="ASVspoof2019_LA_cm_protocols")
    listing = module("asvspoof2019_la", root).benchmark.read()
    assert Counter(c.split for c in listing.clips) == {"train": 25_380, "dev": 24_844}
    counts = Counter((c.split, c.labels[0]) for c in listing.clips)
    assert counts == {
        ("train", "bonafide"): 2_580,
        ("train", "spoofed"): 22_800,
        ("dev", "bonafide"): 2_548,
        ("dev", "spoofed"): 22_296,
    }
    attacks = Counter(c.subset for c in listing.clips if c.split == "train" and c.subset)
    assert attacks == dict.fromkeys((f"A0{n}" for n in range(1, 7)), 3_800)
    speakers = {split: {c.groups for c in listing.clips if c.split == split} for split in ("train", "dev")}
    assert not speakers["train"] & speakers["dev"]


def test_asvspoof_goes_on_with_the_clips_that_are_there(root_of):
    root = root_of("asvspoof2019_la", below="ASVspoof2019_LA_cm_protocols")
    for split, names in {"train": ("LA_T_1138215", "LA_T_9839348"), "dev": ("LA_D_1047731",)}.items():
        for name in names:
            touch(root / f"ASVspoof2019_LA_{split}" / "flac" / f"{name}.flac")
    data = prepared("asvspoof2019_la", root, query_split="dev")
    assert labels(data, data.support) == ["bonafide", "spoofed"]
    assert [q.clip.subset for q in data.support] == ["", "A06"]
    assert labels(data, data.query) == ["bonafide"]
    assert data.notes[1] == "50,221 of 50,224 listed clips are not on disk (missing.csv)"


def test_audioset_segments(root_of):
    root = root_of("audioset")
    listing = module("audioset", root).benchmark.read()
    assert len(listing.classes) == 527
    assert listing.classes[0] == "Speech"
    assert listing.classes[1] == "Male speech, man speaking"
    assert len(listing.clips) == 22_160
    assert sum(len(c.labels) for c in listing.clips) == 52_882
    assert {label for c in listing.clips for label in c.labels} == set(listing.classes)


def test_audioset_support_of_every_class(root_of):
    """With every clip of the pool there, 20 shots of 527 classes can be drawn; nested under one seed."""
    from calm_pl.data.questions.draws import draw_support

    listing = module("audioset", root_of("audioset")).benchmark.read()
    few, many = (draw_support(listing.clips, listing.classes, n, 0, take_fewer=True) for n in (5, 20))
    assert {(d.clip.id, d.label) for d in few.support} <= {(d.clip.id, d.label) for d in many.support}
    assert all(label in clip.labels for clip, label in many.support)
    assert Counter(d.label for d in few.support) == dict.fromkeys(listing.classes, 5)


def test_audioset_with_a_few_clips_on_disk(root_of):
    root = root_of("audioset")
    pool = [
        c for c in module("audioset", root).benchmark.read().clips if "Gong" in c.labels or "Bark" in c.labels
    ][:12]
    segments(
        root / "eval_segments.csv", [("eval0000_01", 0.0, "/m/05tny_"), ("eval0000_02", 0.0, "/m/05tny_")]
    )
    for clip in pool:
        touch(root / "audio" / "balanced_train" / f"{clip.id}.wav")
    touch(root / "audio" / "eval" / "eval0000_01.wav")
    data = prepared("audioset", root, n_options=2)
    assert len(data.missing) == 22_160 + 2 - 13
    assert labels(data, data.query) == ["Bark"]
    assert "22,149 of 22,162 listed clips are not on disk (missing.csv)" in data.notes
    assert any(note.startswith("13 of AudioSet's 42,531 clips") for note in data.notes)


def test_vggsound_test_list(root_of):
    listing = module("vggsound", root_of("vggsound")).benchmark.read()
    assert len(listing.clips) == 15_446
    assert len(listing.classes) == 309
    assert listing.classes == tuple(sorted(listing.classes))
    assert sum("," in label for label in listing.classes) > 0
    assert all(len(c.groups[0]) == len("video ") + 11 for c in listing.clips)
    assert len({c.id for c in listing.clips}) == 15_446


def test_vggsound_without_any_clip_says_so(root_of):
    with pytest.raises(DataError, match=r"15446 of 15446 clips are not on disk:\n"):
        prepared("vggsound", root_of("vggsound"))
