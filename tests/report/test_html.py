"""Text that users choose can never become markup."""

import json

from made_runs import HOSTILE

from calm_pl.report.html import Html, data_block, join, tag
from calm_pl.report.tables import Cell, table


def test_text_and_attributes_are_escaped_and_markup_is_not():
    inner = tag("b", "x < y & z")
    assert tag("p", 'say "<hi>"', inner, title='a "b" <c>') == (
        '<p title="a &quot;b&quot; &lt;c&gt;">say &quot;&lt;hi&gt;&quot;<b>x &lt; y &amp; z</b></p>'
    )


def test_attributes():
    assert tag("img", alt="", data_value=3, class_=None, hidden=False, loading="lazy") == (
        '<img alt="" data-value="3" loading="lazy">'
    )
    assert tag("div", class_="a", aria_label="b", open=True, name="n") == (
        '<div class="a" aria-label="b" open name="n"></div>'
    )


def test_children_of_children():
    assert join(["a", ["<", Html("<br>")], None, (tag("i", c) for c in "xy")]) == "a&lt;<br><i>x</i><i>y</i>"


def test_data_cannot_end_their_element_and_come_back_whole():
    value = {"names": list(HOSTILE), "line": "\u2028\u2029", "numbers": [1, 0.5, None]}
    block = data_block("data", value)
    text = block.removeprefix('<script type="application/json" id="data">').removesuffix("</script>")
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == value


def test_a_table_escapes_every_cell_and_says_what_it_sorts_by():
    made = table("<c>", ["<h>", "n"], [["<r>", Cell("<v>", 0.5)]], sortable=True)
    assert "<c>" not in made.replace("</caption>", "")
    for raw in ("<h>", "<r>", "<v>"):
        assert raw not in made
    assert '<td class="number" data-value="0.5">&lt;v&gt;</td>' in made
    assert made.count("<button") == 2
