"""Labels and paths that look the same are the same, or an error that shows how they differ."""

import pytest
from tiny_layouts import module, prepared, touch, write

from calm_pl.errors import DataError

NFC, NFD = "M\u00f6we", "Mo\u0308we"


@pytest.mark.parametrize(
    "twins", [(NFC, NFD), ("dog", "dog "), ("dog", "dog\u200b"), ("dog", "\ufeffdog"), ("dog", "dog\u200d")]
)
@pytest.mark.parametrize("kind", ["folder", "manifest"])
def test_one_class(tmp_path, twins, kind):
    rows = []
    for n, label in enumerate([*twins, "rain", "rain"]):
        path = touch(tmp_path / label / f"{n}.wav")
        rows.append(f"{path.relative_to(tmp_path)},{label}")
    if kind == "folder":
        data = prepared("folder", tmp_path, shots=None)
    else:
        data = prepared(
            "manifest", "", manifest=str(write(tmp_path / "l.csv", "path,label", *rows)), shots=None
        )
    assert data.classes == (twins[0], "rain")


@pytest.mark.parametrize(
    ("twins", "difference"),
    [
        (("Dog", "dog"), r"U\+0044 LATIN CAPITAL LETTER D against U\+0064 LATIN SMALL LETTER D"),
        (("hot dog", "hot\u00a0dog"), r"U\+0020 SPACE against U\+00A0 NO-BREAK SPACE"),
        (("hot  dog", "hot dog"), r"U\+0020 SPACE against U\+0064 LATIN SMALL LETTER D"),
        (("dog", "d\u00adog"), r"U\+006F LATIN SMALL LETTER O against U\+00AD SOFT HYPHEN"),
    ],
)
@pytest.mark.parametrize("kind", ["folder", "manifest"])
def test_an_error_that_shows_the_code_points(tmp_path, twins, difference, kind):
    rows = []
    for n, label in enumerate([*twins, *twins, "rain", "rain"]):
        path = touch(tmp_path / label / f"{n}.wav")
        rows.append(f"{path.relative_to(tmp_path)},{label}")
    listed = write(tmp_path / "l.csv", "path,label", *rows)
    root, settings = (tmp_path, {}) if kind == "folder" else ("", {"manifest": str(listed)})
    with pytest.raises(DataError, match=f"look alike: .*(?:{difference})"):
        prepared(kind, root, **settings)


def test_readable_labels_make_no_two_options_alike(tmp_path):
    for label in ("hot_dog", "hot dog", "rain"):
        for take in range(2):
            touch(tmp_path / label / f"{label}{take}.wav")
    assert len(prepared("folder", tmp_path).classes) == 3
    with pytest.raises(DataError, match=r"data.readable_labels would show 'hot dog' and 'hot_dog' alike"):
        prepared("folder", tmp_path, readable_labels=True)


def clip(root, text, **settings):
    listed = write(root / "list.csv", "path,label", f"{text},cat")
    (found,) = module("manifest", root, manifest=str(listed), **settings).benchmark.read().clips
    return found


@pytest.mark.parametrize(
    ("text", "there"),
    [
        (f"a/{NFD}.wav", f"a/{NFC}.wav"),
        (f"a/{NFC}.wav", f"a/{NFD}.wav"),
        (f"{NFD}/x.wav", f"{NFC}/x.wav"),
        (r"a\b\x.wav", "a/b/x.wav"),
        ("a/x.WAV", "a/x.wav"),
        ("a/x.wav", "a/x.WAV"),
        ("a/x", "a/x.flac"),
        ("a/1.5", "a/1.5.wav"),
        (f"a\\{NFD}.WAV", f"a/{NFC}.wav"),
    ],
)
def test_a_path_is_found_as_it_reads(tmp_path, text, there):
    path = touch(tmp_path / there)
    found = clip(tmp_path, text)
    assert (found.path, found.id) == (path, there)


def test_the_spelling_of_the_list_comes_first(tmp_path):
    for name in ("x.wav", "x.WAV", "x.mp3"):
        touch(tmp_path / name)
    assert clip(tmp_path, "x.WAV").path.name == "x.WAV"
    with pytest.raises(DataError, match=r"line 2: 'x' may be 'x.WAV' or 'x.mp3'"):
        clip(tmp_path, "x")


def test_other_spellings_are_counted(tmp_path):
    for n in range(4):
        touch(tmp_path / f"{n}.wav")
    rows = [f"{n}.WAV,{'ab'[n % 2]}" for n in range(4)]
    path = str(write(tmp_path / "l.csv", "path,label", *rows))
    data = prepared("manifest", "", manifest=path)
    assert data.notes == ["4 paths are spelled differently on disk: '0.WAV' is '0.wav'"]


@pytest.mark.parametrize("text", [r"..\out.wav", r"a\..\..\out.wav", r"C:\x\out.wav", "C:/x/out.wav"])
def test_backslashes_lead_no_path_out_of_the_root(tmp_path, text):
    touch(tmp_path / "out.wav")
    touch(tmp_path / "in" / "a.wav")
    with pytest.raises(DataError, match=r"path must stay below .*data.path_prefix=OLD=NEW"):
        clip(tmp_path / "in", text)


def test_a_file_that_is_not_there_shows_the_name_that_is(tmp_path):
    touch(tmp_path / "Clips" / "x.wav")
    path = str(write(tmp_path / "l.csv", "path,label", "clips/x.wav,cat", "clips/y.wav,dog"))
    with pytest.raises(DataError, match=r"'clips' is listed; 'Clips' is in "):
        prepared("manifest", "", manifest=path)


@pytest.mark.parametrize(
    ("prefix", "text"),
    [
        ("/old/data=a", "/old/data/x.wav"),
        ("/old/data=", "/old/data/a/x.wav"),
        ("C:\\data=a", "C:\\data\\x.wav"),
        ("/old/=", "/old/a/x.wav"),
    ],
)
def test_paths_of_another_machine_are_mapped(tmp_path, prefix, text):
    path = touch(tmp_path / "a" / "x.wav")
    assert clip(tmp_path, text, path_prefix=prefix).path == path


@pytest.mark.parametrize(
    ("prefix", "message"),
    [
        ("/old", r"data.path_prefix must be OLD=NEW, but is '/old'"),
        ("=new", r"data.path_prefix must be OLD=NEW, but is '=new'"),
        ("b=new", r"data.path_prefix: no path of the list begins with 'b'"),
        ("a/x=new", r"data.path_prefix: no path of the list begins with 'a/x'"),
        ("a=..", r"path must stay below"),
    ],
)
def test_prefixes_that_cannot_be_meant(tmp_path, prefix, message):
    touch(tmp_path / "in" / "a" / "x.wav")
    with pytest.raises(DataError, match=message):
        clip(tmp_path / "in", "a/x.wav", path_prefix=prefix)


@pytest.mark.parametrize("label", ["dog\x1b[2J", "dog\nrain", "d\tog"])
def test_control_characters_in_labels_are_refused(tmp_path, label):
    for name in (label, "rain"):
        for take in range(2):
            touch(tmp_path / name / f"{take}.wav")
    with pytest.raises(DataError, match=r"The label '.*' holds the control character U\+00"):
        prepared("folder", tmp_path)
