"""The site builds without a warning or the network, and its references are those of the code."""

import html
import importlib
import os
import re
import subprocess
import sys
from contextlib import suppress

import pytest
import yaml
from browsers import ARGS, CHROMIUM
from conftest import REPO, outside

from calm_pl.commands.main import COMMANDS
from calm_pl.config.compose import load_config, to_yaml
from calm_pl.methods import METHODS
from docs_hook import on_config
from docs_pages.commands import COLUMNS
from docs_pages.equations import typeset
from docs_pages.full_size import full_size_table
from docs_pages.readme import opening
from docs_pages.recordings import recordings_table
from docs_pages.settings import sections, settings, settings_tables


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the built site."""
    for package in ("mkdocs", "material", "mkdocstrings"):
        pytest.importorskip(package, reason="the site needs the extra `docs`")
    folder = tmp_path_factory.mktemp("site")
    # A proxy that is not there: whatever wants the network fails.
    environment = outside() | {"https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
    environment["REPO_URL"] = "https://example.org/calm_pl"
    environment["PYTHONPATH"] = os.pathsep.join([str(REPO), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=REPO, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING  -" not in done.stderr
    return folder


def text_of(page):
    """A page's text without tags."""
    return html.unescape(re.sub(r"<[^>]+>", "", page.read_text(encoding="utf-8")))


def test_nothing_is_fetched_from_the_network(site):
    pages = [*site.rglob("*.html")]
    assert len(pages) > 20
    for page in pages:
        markup = page.read_text(encoding="utf-8")
        assert (
            re.findall(
                r"<(?:script|img|iframe|source|link)\b[^>]*(?:src|href)=\"?(?:https?:)?//[^>]*>", markup
            )
            == []
        )
        assert 'class="mermaid"' not in markup  # the theme would fetch its renderer
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(@import|url\()[\"']?(https?:)?//", sheet.read_text(encoding="utf-8"))


def test_the_command_line_is_that_of_the_program(site, launch):
    text = text_of(site / "reference/command-line.html")
    for name in COMMANDS:
        assert f"usage: python launch.py {name}" in text
    for command in (["fit-free"], ["bank", "prune"]):
        real = launch(*command, "--help", env={"COLUMNS": COLUMNS}, check=True).stdout
        assert real.strip() in text


def test_the_home_page_is_the_opening_of_the_readme(site):
    text = text_of(site / "index.html")
    assert "make demo" in text
    readme = (REPO / "README.md").read_text(encoding="utf-8").splitlines()
    (row,) = [line.strip() for line in readme if line.strip().startswith("CALM-Auto  ")]
    assert row in text
    assert 'href="bundled-model.html"' in (site / "index.html").read_text(encoding="utf-8")
    assert "3.71 M parameters" in text_of(site / "bundled-model.html")


def test_every_page_leads_to_its_source(site):
    for name in ("index", "own-data", "reference/results"):
        markup = (site / f"{name}.html").read_text(encoding="utf-8")
        assert f"https://example.org/calm_pl/edit/main/docs/{name}.md" in markup


def test_the_table_of_long_recordings_is_that_of_the_record():
    scores = {"precision": 0.5, "recall": 0.25, "f1": 1 / 3}
    entry = {"by_threshold": {"0.6": {"events": scores}}, "cpu_seconds": 35.8}
    entry |= {"peak_megabytes_long": 900.4, "peak_megabytes_short": 890.0}
    hour = {"recording": {"float32_megabytes": 219.7}, "machine": "2 cores", "date": "2026-11-29"}
    text = recordings_table({"eight": entry, "nine": entry, **hour})
    assert "| these and `background` | 0.6 | 50.0 | 25.0 | 33.3 |" in text
    assert "36 CPU seconds and at most 900 MB of memory, 890 MB for five minutes" in text


def test_the_table_of_full_size_models_is_that_of_the_records():
    batch = {"drift": 0.0031, "changed_predictions": 1}
    once = {"load_seconds": 11.6, "seconds_per_3_s_clip": 6.66, "share_of_rate": 0.9, "batch_2": batch}
    ran = {"command": "predict", "status": 0, "cpu_seconds": 51.7, "peak_gigabytes": 15.81}
    more = {**ran, "command": "video", "status": 1}
    same = {**ran, "command": "fit-free again", "equal_predictions": True}
    record = {"model": {"parameters": 8_397_094_912}, "date": "2026-11-29"}
    record |= {"one_process": {**once, "batch_3": batch}}
    found = {
        "qwen2_audio": {**record, "commands": [ran, same]},
        "qwen2_5_omni": {**record, "commands": [ran, more]},
    }
    text = full_size_table(found)
    assert "| predict | 52 | 15.8 | 52 | 15.8 |" in text
    assert "| video | | | failed | |" in text
    assert "| fit-free again | 52 | 15.8 | | |" in text
    assert (
        "8.4 billion parameters, 2026-11-29: loaded in 12 s; a clip of 3 s took 6.7 s, 90 % of the rate"
        in text
    )
    assert "by 0.31 % and 0.31 % of their norm and changed 2 predictions" in text
    assert "had the same bytes in “fit-free again” as in the first run" in text


def test_without_an_address_of_the_sources_no_page_leads_there():
    edit = "edit/main/docs/"
    assert on_config({"repo_url": "", "edit_uri": edit})["edit_uri"] == ""
    assert on_config({"repo_url": "https://example.org", "edit_uri": edit})["edit_uri"] == edit


def test_equations_are_typeset(site):
    page = (REPO / "docs/method.md").read_text(encoding="utf-8")
    markup = (site / "method.html").read_text(encoding="utf-8")
    assert markup.count('<div class="equation">') == page.count("```math") == 10
    assert 'aria-label="s_{n,h,c} = \\cos(x_{n,h},\\, \\mu_{c,h})"' in markup
    assert "<span>(9, 10)</span>" in markup
    assert "```math" not in markup


def test_tex_that_is_unknown_stops_the_build():
    with pytest.raises(ValueError, match="nosuch"):
        typeset("```math\n\\nosuch{x}\n```")
    assert typeset("no equation") == "no equation"


def test_the_home_page_shows_a_report(site):
    assert 'src="report.png"' in (site / "index.html").read_text(encoding="utf-8")
    assert (site / "report.png").stat().st_size < 300_000


def test_search_works_from_disk(site):
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        tab = browser.new_page(viewport={"width": 1400, "height": 900})
        faults = []
        tab.on("pageerror", lambda error: faults.append(str(error)))
        tab.goto((site / "index.html").as_uri())
        box, found = tab.locator("input.md-search__input"), tab.locator(".md-search-result__item")
        for _ in range(20):  # on a busy machine the page's scripts miss what is typed before they run
            box.fill("cross-validation")
            box.press("End")
            with suppress(sync_api.TimeoutError):
                found.first.wait_for(timeout=2_000)
                break
        assert found.locator("a").first.get_attribute("href").endswith(".html")
        browser.close()
    assert faults == []


PACKAGES = [
    "calm_pl",
    *(f"calm_pl.{n}" for n in ("voters", "models", "functional", "metrics", "bank", "media")),
]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_in_the_reference(site, package):
    markup = "".join(page.read_text(encoding="utf-8") for page in (site / "api").glob("*.html"))
    module = importlib.import_module(package)
    names = [
        name
        for name in module.__all__
        if getattr(getattr(module, name), "__doc__", None) and not name.isupper()
    ]
    missing = [name for name in names if not re.search(rf'id="calm_pl[^"]*\.{name}"', markup)]
    assert [name for name in missing if name != "__version__"] == []


SETTINGS = [(schema, one) for path, schema in sections() for one in settings(path, schema)]


def leaves(node, path=""):
    """Paths of all values below a node."""
    for key, value in node.items():
        yield from leaves(value, f"{path}{key}.") if isinstance(value, dict) else [f"{path}{key}"]


def test_every_setting_is_in_the_reference():
    config = load_config(["demo.yaml"], [])
    assert sorted(one.path for _, one in SETTINGS) == sorted(leaves(yaml.safe_load(to_yaml(config))))
    table = settings_tables()
    assert "| `voter.tau_p` | a number; a finite number above 0 | `0.03` | Temperature of the post" in table
    assert "| `model.path` | a string | required |" in table
    assert "| `wandb.mode` | one of online, offline, disabled, or null | `null` |" in table
    assert "| `data.fold` | a whole number or a string or null; a fold's name" in table


@pytest.mark.parametrize(("schema", "one"), SETTINGS, ids=[one.path for _, one in SETTINGS])
def test_a_setting_is_described(schema, one):
    """Below the field, or by name in the words about its section."""
    assert one.description or f"`{one.path.rpartition('.')[2]}`" in schema.__doc__


def test_defaults_are_those_of_the_schema():
    required = ["model.path=x", "data.benchmark=esc50", "data.root=x"]
    defaults = [f"{one.path}={one.default}" for _, one in SETTINGS if one.default]
    assert len(defaults) > 50
    assert load_config([], [*required, *defaults]) == load_config([], required)


def test_every_comparison_is_on_the_page_of_methods():
    text = (REPO / "docs/method.md").read_text(encoding="utf-8")
    assert [row.key for row in METHODS if row.package == "sklearn" and f"`{row.key}`" not in text] == []


def test_links_of_the_opening_lead_to_pages():
    targets = re.findall(r"\]\(([^)#]+)", opening())
    assert targets
    assert [target for target in targets if not (REPO / "docs" / target).is_file()] == []


def test_links_of_the_readme_lead_somewhere():
    text = (REPO / "README.md").read_text(encoding="utf-8")
    for target, anchor in re.findall(r"\]\(([^)#:]+)(?:#([^)]+))?\)", text):
        assert (REPO / target).is_file(), target
        titles = re.findall(r"^#+ (.+)$", (REPO / target).read_text(encoding="utf-8"), re.MULTILINE)
        assert not anchor or anchor in [
            re.sub(r"[^\w-]", "", one.lower().replace(" ", "-")) for one in titles
        ]
