"""The pages in a real Chromium: widths, keyboard, sound, sorting; no error, no request."""

import json
import re
from itertools import pairwise

import pytest
from browsers import ARGS, CHROMIUM
from made_runs import HOSTILE, make_run, make_sounds

from calm_pl.report import SoundRule, read_run, write_run_page
from calm_pl.report.comparison import compare
from calm_pl.report.comparison_page import write_comparison_page

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
WIDTHS = {"desktop": (1280, 900), "phone": (360, 740)}


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A run's page with sound, and a comparison, by name."""
    folder = tmp_path_factory.mktemp("pages")
    first = make_run(folder / "first", layers=3, per_layer=5, draws=2)
    second = make_run(folder / "second", seed=1, draws=2)
    sounds = make_sounds(folder / "sounds", first)
    (first / "figures").mkdir()
    svg = '<svg xmlns="http://www.w3.org/2000/svg" width="900" height="90"><rect width="9" height="9"/></svg>'
    (first / "figures" / "wide.svg").write_text(svg)
    listed = [{"name": "wide", "title": "Wide", "caption": "c"}]
    (first / "figures" / "index.json").write_text(json.dumps({"figures": listed}))
    write_run_page(read_run(first), folder / "run.html", SoundRule(True, 2), sounds)
    comparison = compare([read_run(first), read_run(second)])
    write_comparison_page(comparison, folder / "comparison.html")
    return folder


@pytest.fixture(params=WIDTHS)
def tab(request, browser):
    """A tab that fails the test on an error in the console or a request."""
    width, height = WIDTHS[request.param]
    context = browser.new_context(viewport={"width": width, "height": height})
    tab = context.new_page()
    faults = []
    tab.on(
        "console",
        lambda message: faults.append(message.text) if message.type in ("error", "warning") else None,
    )
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.on("dialog", lambda dialog: (faults.append("a script of a name ran"), dialog.dismiss()))
    tab.on("request", lambda one: None if re.match("file:|data:", one.url) else faults.append(one.url))
    yield tab
    context.close()
    assert faults == []


def opened(tab, pages, name="run"):
    tab.goto((pages / f"{name}.html").as_uri())
    return tab


@pytest.mark.parametrize("name", ["run", "comparison"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_never_scrolls_sideways(tab, pages, name, scheme):
    tab.emulate_media(color_scheme=scheme)
    opened(tab, pages, name)
    for details in tab.locator("details").all():
        details.locator("summary").click()
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    ground = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    light = sum(map(int, re.findall(r"\d+", ground))) > 380
    assert light == (scheme == "light")


def test_hovering_a_head_tells_of_it(tab, pages):
    opened(tab, pages)
    cells = tab.get_by_role("gridcell")
    assert cells.count() == 15
    cells.nth(8).hover()
    detail = tab.locator("#head-detail")
    assert detail.locator("h3").inner_text() == "Layer 1, head 3"
    assert re.search(r"Reliability 0\.\d{3}, \d+(st|nd|rd|th) of 15 heads", detail.inner_text())
    assert detail.locator("ol li").count() == 5
    detail.locator("ol button").first.click()
    assert tab.locator("#head-class option:checked").inner_text() in (*HOSTILE, "dog")


def test_heads_by_keyboard(tab, pages):
    opened(tab, pages)
    assert tab.locator("#head-map [tabindex='0']").count() == 1
    tab.locator("#head-shade").focus()
    tab.keyboard.press("Tab")
    tab.keyboard.press("Home")
    named = tab.locator("#head-detail h3")
    layer = named.inner_text().split(",")[0]
    for key, head in (("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("End", 4), ("ArrowRight", 4)):
        tab.keyboard.press(key)
        assert named.inner_text() == f"{layer}, head {head}"
    for _ in range(4):
        tab.keyboard.press("ArrowUp")
    assert named.inner_text() == "Layer 0, head 4"
    tab.keyboard.press("ArrowDown")
    assert named.inner_text() == "Layer 1, head 4"
    focused = tab.evaluate("document.activeElement.getAttribute('aria-label')")
    assert focused.startswith("Layer 1, head 4: reliability 0.")
    assert tab.evaluate("getComputedStyle(document.activeElement).outlineWidth") == "3px"


def test_a_method_without_classes_has_no_choice_of_them(tab, pages):
    opened(tab, pages).locator("#head-method").select_option("sav")
    assert tab.locator("#head-class").is_disabled()
    tab.get_by_role("gridcell").last.hover()
    assert "It has no vote." in tab.locator("#head-detail").inner_text()


def test_a_class_shows_its_mistakes_and_its_clips_can_be_heard(tab, pages):
    opened(tab, pages)
    tab.locator("button.pick", has_text=HOSTILE[0]).click()
    detail = tab.locator("#class-detail")
    assert detail.locator("h3").inner_text() == HOSTILE[0]
    assert tab.locator("button.pick[aria-pressed=true]").inner_text() == HOSTILE[0]
    assert detail.locator(".clips > li").count() == 4
    assert detail.locator("audio").count() == 2
    for player in detail.locator("audio").all():
        player.evaluate("a => a.readyState ? null : new Promise(done => a.onloadedmetadata = done)")
        assert player.evaluate("a => a.duration") == pytest.approx(1, abs=0.2)
        assert "clip0-" in player.get_attribute("aria-label")
    detail.locator("ul button").first.click()
    assert detail.locator("h3").inner_text() != HOSTILE[0]
    assert detail.evaluate("node => node.getBoundingClientRect().top < innerHeight")


def test_a_class_is_found_by_its_name(tab, pages):
    opened(tab, pages).locator("#class-find").fill("QUOTED")
    assert tab.locator("button.pick:visible").all_inner_texts() == ['"quoted"']


def test_the_confusion_matrix_follows_the_method(tab, pages):
    opened(tab, pages)
    assert "CALM" in tab.locator("#confusion figcaption").inner_text()
    tab.locator("#class-method").select_option("0")
    assert "zero-shot" in tab.locator("#confusion figcaption").inner_text()
    shares = tab.locator("#confusion rect.good").count() + tab.locator("#confusion rect.bad").count()
    assert shares >= 6
    counts = tab.locator("#confusion .count")
    assert counts.count() == shares
    assert counts.first.evaluate("node => parseFloat(getComputedStyle(node).fontSize)") >= 12
    tab.locator("#confusion rect.good").nth(1).click()
    assert tab.locator("#class-detail h3").inner_text() == HOSTILE[1]


@pytest.mark.parametrize("name", ["run", "comparison"])
def test_tables_sort_both_ways_by_mouse_and_keyboard(tab, pages, name):
    opened(tab, pages, name)
    table = tab.locator("table.sortable").nth(int(name == "comparison"))  # behind the ranking
    button = table.locator("thead button").nth(1)
    column = "table => [...table.tBodies[0].rows].map(row => Number(row.cells[1].dataset.value))"
    button.click()
    down = table.evaluate(column)
    assert down == sorted(down, reverse=True)
    assert len(set(down)) > 1
    assert table.locator("[aria-sort=descending]").count() == 1
    button.focus()
    tab.keyboard.press("Enter")
    assert table.evaluate(column) == sorted(down)
    table.locator("thead button").first.click()
    names = table.locator("tbody th").all_inner_texts()
    assert names == sorted(names, key=str.lower)


def test_results_and_differences_are_readable_without_scrolling(tab, pages):
    opened(tab, pages)
    assert tab.locator(".stacked").count() == 2
    for box in tab.locator(".stacked").all():
        assert box.evaluate("node => node.scrollWidth <= node.clientWidth")


@pytest.mark.parametrize("name", ["run", "comparison"])
def test_everything_has_a_name_and_can_be_reached(tab, pages, name):
    opened(tab, pages, name)
    nameless = tab.evaluate(
        """() => [...document.querySelectorAll(
            'button, select, input, a, audio, img, svg[role=img], [role=region], [role=grid]'
        )].filter(n => !(n.getAttribute('aria-label') || n.alt || n.textContent.trim() || n.labels?.length))
        .map(n => n.outerHTML)"""
    )
    assert nameless == []
    repeated = tab.evaluate(
        """() => [...document.querySelectorAll('[id]')].map(n => n.id)
        .filter((id, n, ids) => ids.indexOf(id) !== n)"""
    )
    assert repeated == []
    levels = tab.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(n => Number(n.tagName[1]))")
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    for link in tab.locator("nav a").all():
        assert tab.locator(f"section{link.get_attribute('href')}").count() == 1
    unreachable = tab.evaluate(
        """[...document.querySelectorAll('.scroll')].filter(n => n.scrollWidth > n.clientWidth + 1
        && n.tabIndex < 0 && !n.querySelector('[tabindex="0"]')).length"""
    )
    assert unreachable == 0
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.className") == "skip"


def test_without_a_script_the_tables_are_there(browser, pages):
    context = browser.new_context(java_script_enabled=False)
    tab = opened(context.new_page(), pages)
    assert tab.locator("button.pick").count() == 6
    assert "needs JavaScript" in tab.locator("#heads").inner_text()
    context.close()


def test_a_table_is_copied_as_markdown_as_it_is_sorted(tab, pages):
    opened(tab, pages, "comparison")
    tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    tab.get_by_role("button", name="accuracy").first.click()
    tab.get_by_role("button", name="Copy as Markdown").first.click()
    tab.get_by_role("button", name="Copied").wait_for()
    copied = tab.evaluate("navigator.clipboard.readText()").splitlines()
    assert copied[0] == "| method | run | \\# | accuracy | 95 % |"
    assert copied[1] == "| --- | --- | ---: | ---: | ---: |"
    rows = tab.locator("table.sortable").first.locator("tbody tr").all()
    assert [line.split(" | ")[3].split()[0] for line in copied[2:]] == [
        row.locator("td").nth(2).text_content().split()[0] for row in rows
    ]


def test_no_name_of_a_run_is_broken(tab, pages):
    opened(tab, pages, "comparison")
    for name in tab.locator(".name").all():
        assert name.evaluate("(one) => one.getClientRects().length") == 1
