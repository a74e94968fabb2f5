"""The page of a run: whole, self-contained, small, and safe with any names."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest
from made_runs import HOSTILE, make_run, make_sounds

from calm_pl.errors import RunError
from calm_pl.report import SoundRule, read_run, write_run_page

PIXEL = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>alert(3)</script></svg>'


class Reader(HTMLParser):
    """Collects elements, and the text inside scripts and styles."""

    def __init__(self):
        super().__init__()
        self.found, self.code = [], {}

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self.cdata_elem:  # inside a script or style
            name, attrs = self.found[-1]
            key = attrs.get("id", name)
            self.code[key] = self.code.get(key, "") + data

    def of(self, tag):
        return [attrs for name, attrs in self.found if name == tag]


def read(path):
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    return reader


@pytest.fixture
def run_dir(tmp_path):
    return make_run(tmp_path / "run")


def written(run_dir, *more):
    write_run_page(read_run(run_dir), run_dir / "report.html", *more)
    return run_dir / "report.html"


def test_hostile_names_are_text(run_dir):
    page = read(written(run_dir))
    assert page.of("img") == []
    assert len(page.of("script")) == 2
    assert not [a for _, attrs in page.found for a in attrs if a.startswith("on")]
    text = (run_dir / "report.html").read_text(encoding="utf-8")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    for raw in ("<script>alert", "<b>up", "<i>x</i>", HOSTILE[3]):
        assert raw not in text
    assert json.loads(page.code["data"])["classes"] == [*HOSTILE, "dog"]


def test_the_policy_allows_this_style_and_script_and_nothing_else(run_dir):
    page = read(written(run_dir))
    (policy,) = (one["content"] for one in page.of("meta") if one.get("http-equiv"))
    rules = dict(one.split(maxsplit=1) for one in policy.split("; "))
    assert rules["default-src"] == "'none'"
    for directive, name in (("script-src", "script"), ("style-src", "style")):
        digest = base64.b64encode(hashlib.sha256(page.code[name].encode()).digest()).decode()
        assert rules[directive] == f"'sha256-{digest}'"
    assert not [attrs for _, attrs in page.found if "style" in attrs]  # the policy would drop them


def test_nothing_leads_out_of_the_page(run_dir):
    text = written(run_dir).read_text(encoding="utf-8")
    assert set(re.findall(r"https?://[^\s\"']*", text)) == {"http://www.w3.org/2000/svg"}
    assert "@import" not in text
    assert "url(" not in text
    for attrs in (attrs for _, attrs in read(run_dir / "report.html").found):
        for key in ("src", "href", "srcset"):
            assert attrs.get(key, "#").startswith(("#", "data:"))


def test_figures_are_embedded_with_their_dark_twin(run_dir):
    folder = run_dir / "figures"
    folder.mkdir()
    for name in ("one", "one-dark", "two"):
        (folder / f"{name}.svg").write_text(PIXEL)
    (run_dir / "secret.svg").write_text(PIXEL)
    listed = [
        {"name": "one", "title": "First <1>", "caption": "says & shows"},
        {"name": "two", "title": "Second", "caption": ""},
        {"name": "absent", "title": "Third", "caption": ""},
        {"name": "../secret", "title": "Fourth", "caption": ""},
    ]
    (folder / "index.json").write_text(json.dumps({"figures": listed}))
    page = read(written(run_dir))
    assert [one["alt"] for one in page.of("img")] == ["First <1>", "Second"]
    (dark,) = page.of("source")
    assert dark["media"] == "(prefers-color-scheme: dark)"
    assert base64.b64decode(dark["srcset"].split(",")[1]).decode() == PIXEL
    assert len(page.of("script")) == 2  # the drawing's own is inside an image


@pytest.mark.parametrize("text", ["not json", "[1]", '{"figures": [{"name": "x"}]}', '{"a": 1}'])
def test_a_list_of_figures_that_is_none_leaves_them_out(run_dir, text):
    (run_dir / "figures").mkdir()
    (run_dir / "figures" / "index.json").write_text(text)
    assert read(written(run_dir)).of("img") == []


def test_sound_is_off_unless_asked_for(run_dir, tmp_path):
    paths = make_sounds(tmp_path / "sounds", run_dir)
    text = written(run_dir, SoundRule(), paths).read_text()
    assert "data:audio" not in text
    assert "No audio is embedded" in text
    loud = written(run_dir, SoundRule(True, 2, 0.02), paths).read_text()
    size = sum(len(uri) for uri in re.findall(r"data:audio/mpeg;base64,[A-Za-z0-9+/=]*", loud))
    assert 0 < size <= 20_000
    assert "more would make the page too large" in loud
    silent = written(run_dir, SoundRule(True), {}, "the data are gone.").read_text()
    assert "No audio is embedded: the data are gone." in silent


def test_what_was_skipped_is_there_with_its_reason(run_dir):
    text = written(run_dir).read_text()
    assert "contains no samples" in text
    (run_dir / "missing.csv").write_text("clip,labels,path\n" + "".join(f"m{n},x,y\n" for n in range(60)))
    text = written(run_dir).read_text()
    assert "m49" in text
    assert "m50" not in text
    assert "10 more are in missing.csv" in text


def test_parts_that_a_run_lacks_are_left_out(run_dir):
    (run_dir / "classifier.safetensors").unlink()
    (run_dir / "config.yaml").unlink()
    (run_dir / "skipped.csv").unlink()
    results = json.loads((run_dir / "results.json").read_text())
    for name in ("differences", "remarks", "notes", "heads", "classes", "versions"):
        del results[name]
    (run_dir / "results.json").write_text(json.dumps(results))
    page = read(written(run_dir))
    assert "heads" not in [one.get("id") for one in page.of("section")]
    assert "without a configuration" in (run_dir / "report.html").read_text()


def test_hundreds_of_classes_and_a_thousand_heads_stay_small(tmp_path):
    folder = make_run(tmp_path / "run", [f"a class of sound, {n}" for n in range(527)], 32, 32, clips=3)
    assert written(folder).stat().st_size < 3e6


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "cannot be read"),
        ("{}", "cannot be read"),
        ('{"benchmark": 1, "model": "", "methods": {}}', "names no"),
    ],
)
def test_results_that_are_none_are_refused_by_name(run_dir, text, words):
    (run_dir / "results.json").write_text(text)
    with pytest.raises(RunError, match=words) as caught:
        read_run(run_dir)
    assert "results.json" in str(caught.value)


def test_a_folder_without_results_is_no_run(tmp_path):
    with pytest.raises(RunError, match="no finished run"):
        read_run(tmp_path)


@pytest.mark.parametrize(("classes", "shown"), [(6, False), (61, True)])
def test_no_figure_is_there_twice(tmp_path, classes, shown):
    make_run(tmp_path / "x", classes=[f"class {n}" for n in range(classes)], clips=1)
    folder = tmp_path / "x" / "figures"
    folder.mkdir(exist_ok=True)
    listed = [{"name": name, "title": f"The {name}"} for name in ("methods", "confusion", "calibration")]
    (folder / "index.json").write_text(json.dumps({"figures": listed}))
    for one in listed:
        (folder / f"{one['name']}.svg").write_text('<svg width="504pt"></svg>')
    write_run_page(read_run(tmp_path / "x"), tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    assert "The calibration" in text
    assert "The methods" not in text  # the page draws their intervals
    assert ("The confusion" in text) == shown  # and the matrix of up to 60 classes
    assert '<figure class="wide">' in text
