"""A folder of figures and its index."""

import json

import pytest

from calm_pl.figures.folder import USUAL, Kind, draw_into, read_index
from calm_pl.figures.methods import Estimate, methods_figure
from calm_pl.figures.run import Drawing, LeftOut


def drawing(name, label="CALM"):
    def draw(theme, width):
        return methods_figure({label: Estimate(0.5, 0.4, 0.6)}, theme=theme)

    return Drawing(name, f"Title of {name}", "A caption.", draw)


def failing(theme, width):
    raise ValueError("no ink")


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_index_names_every_file(tmp_path):
    index = draw_into(tmp_path, [drawing("one"), LeftOut("two", "not there")])
    assert json.loads((tmp_path / "index.json").read_text(encoding="utf-8")) == index == read_index(tmp_path)
    assert index["figures"] == [
        {
            "name": "one",
            "title": "Title of one",
            "caption": "A caption.",
            "width_in": 3.3,
            "height_in": 0.74,
            "files": {"svg": "one.svg", "pdf": "one.pdf", "png": "one.png", "svg_dark": "one-dark.svg"},
        }
    ]
    assert index["left_out"] == [{"name": "two", "reason": "not there"}]
    assert files(tmp_path) == ["index.json", "one-dark.svg", "one.pdf", "one.png", "one.svg"]
    assert (tmp_path / "one.svg").read_bytes() != (tmp_path / "one-dark.svg").read_bytes()


def test_a_figure_that_fails_costs_nothing_else(tmp_path):
    bad = Drawing("bad", "Bad", "Bad.", failing)
    with pytest.warns(UserWarning, match="figure bad could not be drawn: ValueError: no ink"):
        index = draw_into(tmp_path, [bad, drawing("good")])
    assert [one["name"] for one in index["figures"]] == ["good"]
    assert index["left_out"] == [{"name": "bad", "reason": "ValueError: no ink"}]


def test_a_fresh_folder_loses_old_figures_and_nothing_else(tmp_path):
    draw_into(tmp_path, [drawing("old"), drawing("kept")])
    (tmp_path / "mine.svg").write_text("mine")
    draw_into(tmp_path, [drawing("kept")])
    assert files(tmp_path) == [
        *("index.json", "kept-dark.svg", "kept.pdf", "kept.png", "kept.svg", "mine.svg"),
    ]


def test_more_kinds_join_those_that_are_there(tmp_path):
    draw_into(tmp_path, [drawing("one"), drawing("two")], [Kind("light", "svg")])
    index = draw_into(tmp_path, [drawing("one")], [Kind("dark", "png")], fresh=False)
    assert {one["name"]: one["files"] for one in index["figures"]} == {
        "one": {"svg": "one.svg", "png_dark": "one-dark.png"},
        "two": {"svg": "two.svg"},
    }
    assert files(tmp_path) == ["index.json", "one-dark.png", "one.svg", "two.svg"]


def test_what_was_left_out_is_known_until_it_is_drawn(tmp_path):
    draw_into(tmp_path, [LeftOut("one", "no data"), LeftOut("two", "not there"), drawing("three")])
    index = draw_into(tmp_path, [drawing("one"), LeftOut("three", "gone")], USUAL[:1], fresh=False)
    assert [one["name"] for one in index["figures"]] == ["three", "one"]
    assert {one["name"]: one["reason"] for one in index["left_out"]} == {"two": "not there", "three": "gone"}


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"figures": [], "left_out": ["x"]}', '{"figures": [{"files": "x"}]}', '{"figures": 3}'],
)
def test_an_index_that_is_none(tmp_path, content):
    (tmp_path / "index.json").write_text(content)
    assert read_index(tmp_path) == {"figures": [], "left_out": []}


def test_an_index_cannot_delete_files_elsewhere(tmp_path):
    folder, other = tmp_path / "figures", tmp_path / "precious.svg"
    folder.mkdir()
    other.write_text("precious")
    entry = {"name": "x", "files": {"svg": "../precious.svg"}}
    (folder / "index.json").write_text(json.dumps({"figures": [entry], "left_out": []}))
    draw_into(folder, [drawing("one")], USUAL[:1])
    assert other.read_text() == "precious"
