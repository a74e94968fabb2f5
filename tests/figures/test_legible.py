"""Words are inside the picture, large enough, and not over each other; in both themes and at paper size."""

import itertools

import pytest
from drawn import WIDTHS, every_figure
from matplotlib.axes import Axes
from matplotlib.text import Text

from calm_pl.figures.saving import settle
from calm_pl.figures.style import SMALL, drawing

# Classes, layers, heads a layer; inches.
SIZES = [
    *[((2, 2, 4), 3.3), ((10, 5, 8), 3.3), ((10, 5, 8), 7.0)],
    *[((28, 4, 8), 7.0), ((309, 32, 32), 3.3), ((309, 32, 32), 7.0)],
]


def drawn_texts(figure):
    """Texts that can be seen; ticks outside their axis have labels that are laid out but never drawn."""
    hidden = set()
    for axes in figure.findobj(Axes):
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
                if not axes.axison or not low - 1e-9 <= tick.get_loc() <= high + 1e-9:
                    hidden |= {tick.label1, tick.label2}
    return [t for t in figure.findobj(Text) if t.get_text().strip() and t.get_visible() and t not in hidden]


@pytest.mark.parametrize(("size", "width"), SIZES, ids=str)
def test_words_are_inside_and_apart(size, width):
    theme = "dark" if width == WIDTHS[0] else "light"
    for name, figure in every_figure(*size, theme, width).items():
        with drawing():
            settle(figure)
            figure.draw_without_rendering()
            boxes = {text: Text.get_window_extent(text) for text in drawn_texts(figure)}
        canvas = figure.bbox
        assert abs(figure.get_size_inches()[0] - width) < 1e-9
        assert len(boxes) > 5, name
        for text, box in boxes.items():
            where = f"{name}: {text.get_text()!r} at {box.extents.round(1)} of {canvas.extents}"
            assert text.get_fontsize() >= SMALL, where
            assert box.x0 >= -0.5, where
            assert box.y0 >= -0.5, where
            assert box.x1 <= canvas.x1 + 0.5, where
            assert box.y1 <= canvas.y1 + 0.5, where
        for (one, a), (other, b) in itertools.combinations(boxes.items(), 2):
            across = min(a.x1, b.x1) - max(a.x0, b.x0)
            along = min(a.y1, b.y1) - max(a.y0, b.y0)
            # A box has room for letters that go down; let that much touch.
            assert across < 1 or along < 2.5, f"{name}: {one.get_text()!r} over {other.get_text()!r}"


@pytest.mark.parametrize("width", WIDTHS)
def test_the_names_of_few_classes_and_their_counts_are_there(width):
    figure = every_figure(10, 5, 8, "light", width)["confusion"]
    words = [text.get_text() for text in figure.findobj(Text)]
    assert words.count("a b") >= 2  # at both edges, underscores as spaces
    assert "$x^2$ <b>&amp;" in words
    assert "no answer" in words
    assert "new line" in words
    assert any(word.startswith("opening") and "…" in word for word in words)


def test_many_classes_are_numbered_at_the_edges_and_listed():
    figure = every_figure(309, 32, 32, "light", WIDTHS[1])["confusion"]
    words = [text.get_text() for text in figure.findobj(Text)]
    assert sum("→" in word for word in words) == 16
    assert "309" in words
    for number in range(1, 17):  # in the list, and most of them at their cells
        assert str(number) in words
    assert sum(words.count(str(number)) == 2 for number in range(2, 17)) > 10
