"""The notebook's cells show what is stored in it."""

import pytest

from docs_pages.notebook import executed, page, read


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """The stored notebook, and the same executed now."""
    return read(), executed(read(), tmp_path_factory.mktemp("notebook"))


def outputs(notebook, kind):
    """What cells showed, as text; `kind` is a MIME type or `stream`."""
    found = []
    for cell in notebook["cells"]:
        for one in cell.get("outputs", ()):
            text = one.get("text") if kind == "stream" else one.get("data", {}).get(kind)
            if text is not None:
                found.append("".join(text))
    return found


@pytest.mark.parametrize("kind", ["stream", "text/html"])
def test_what_is_stored_is_what_the_cells_show(shown, kind):
    stored, now = shown
    assert outputs(now, kind) == outputs(stored, kind)
    assert outputs(stored, kind)


def test_text_of_values(shown):
    stored, now = (outputs(one, "text/plain") for one in shown)
    assert stored[0] == now[0]
    assert stored[-1] == now[-1]
    assert [one.startswith("<") for one in stored] == [False, True, False]  # the figure


def test_every_cell_is_on_the_page(shown):
    stored, _ = shown
    text = page(stored)
    for cell in stored["cells"]:
        assert "".join(cell["source"]) in text
    assert text.count("data:image/png;base64,") == len(outputs(stored, "image/png")) == 1
    assert "<table>" in text
