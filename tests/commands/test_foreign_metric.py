"""A metric from a user's own file is an equal citizen: tables, results, pages, figures, sweeps, W&B."""

import csv
import json

import pytest
from conftest import ALL_CALLBACKS, LEAN, REPO, command_line
from wandb_files import read_back

TITLE = "Cohen kappa"


@pytest.fixture(scope="module")
def plugin():
    """The file that the page on adding a metric shows."""
    page = (REPO / "docs/add-a-metric.md").read_text(encoding="utf-8")
    return page.split("```python\n")[1].split("```")[0]


@pytest.fixture(scope="module")
def finished(tmp_path_factory, esc_root, tiny_folder, plugin):
    """The folder of a job with the page's metric, with every callback and W&B offline."""
    folder = tmp_path_factory.mktemp("foreign_metric")
    (folder / "kappa_metric.py").write_text(plugin)
    settings = [
        *("data.benchmark=esc50", f"data.root={esc_root}", f"model.path={tiny_folder}", "data.shots=4"),
        *("data.num_workers=0", "trainer.accelerator=cpu", "plugins=[kappa_metric.py]", "bank.dir=bank"),
        "methods=[sav,calm]",
    ]
    done = command_line(folder, "fit-free", *settings, "run.dir=run", *ALL_CALLBACKS)
    return folder, settings, done


def entries(folder):
    return json.loads((folder / "run/results.json").read_text())["methods"]


def kappa(label, answer):
    """Agreement beyond chance, by hand."""
    names = sorted(set(label) | set(answer))
    observed = sum(a == b for a, b in zip(label, answer, strict=True)) / len(label)
    chance = sum(label.count(name) * answer.count(name) for name in names) / len(label) ** 2
    return (observed - chance) / (1 - chance)


def test_results_hold_it(finished):
    folder, _, _ = finished
    with (folder / "run/predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    label = [row["label"] for row in rows]
    for method, entry in entries(folder).items():
        assert entry["kappa"] == pytest.approx(kappa(label, [row[method] for row in rows]), abs=2e-6)
        assert "kappa" not in entry["ci95"]


def test_the_terminal_and_the_page_show_it(finished):
    folder, _, done = finished
    assert TITLE in done.stdout
    assert f">{TITLE}<" in (folder / "run/report.html").read_text()


def test_as_the_main_metric_it_is_drawn_without_an_interval(finished):
    folder, _, _ = finished
    svg = (folder / "run/figures/methods.svg").read_text()
    assert f"{TITLE}, %" in svg
    assert "95 % interval" not in svg
    index = json.loads((folder / "run/figures/index.json").read_text())
    assert TITLE in json.dumps(index)


def test_figures_and_pages_come_again_with_the_plugin(finished):
    folder, _, _ = finished
    words = ("--only", "methods", "--out", "drawn", "--plugins", "kappa_metric.py")
    command_line(folder, "figures", "run", *words)
    drawn, first = ((folder / name / "methods.svg").read_bytes() for name in ("drawn", "run/figures"))
    assert drawn == first
    page = (folder / "run/report.html").read_bytes()
    command_line(folder, "report", "run", "--plugins", "kappa_metric.py")
    assert (folder / "run/report.html").read_bytes() == page


def test_the_summary_on_wandb_has_it(finished):
    folder, _, _ = finished
    summary = read_back(folder / "run").summary
    for method, entry in entries(folder).items():
        assert summary[f"test/{method}/kappa"] == pytest.approx(entry["kappa"], abs=1e-6)


def test_a_sweep_has_its_column_and_goes_by_it(finished):
    folder, settings, _ = finished
    grid = ("sweep.grid.voter.top_k=[1,3]", "methods=[calm]", "run.dir=swept")
    done = command_line(folder, "sweep", *settings, *grid, *LEAN)
    assert f"{TITLE} in %" in done.stdout
    with (folder / "swept/sweep.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert all(-1 <= float(row["kappa"]) <= 1 for row in rows)
    assert json.loads((folder / "swept/sweep.json").read_text())["metric"] == "kappa"
    oracle = [row for row in rows if row["chosen"] == "oracle"]
    grid_rows = [row for row in rows if row["chosen"] == "grid"]
    assert float(oracle[0]["kappa"]) == max(float(row["kappa"]) for row in grid_rows)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("METRICS = [3]", "METRICS must be a list of calm_pl.metrics.MetricInfo, but contains 3"),
        (("title", "'accuracy'"), "accuracy already exists"),
        (("interval=True", ""), "kappa must have interval=False"),
        (("reads", "'scores'"), "Expected `reads` of kappa among predicted_q"),
        (("measure", "'torchmetrics:Nothing'"), "kappa: torchmetrics:Nothing cannot be created"),
    ],
)
def test_metrics_that_cannot_be_are_refused(launch, small_job, tmp_path, text, told):
    row = {"key": "'kappa'", "title": "'K'", "measure": "'torchmetrics.classification:MulticlassCohenKappa'"}
    if isinstance(text, tuple):
        changed, value = text
        more = ""
        if changed == "title":
            row["key"] = value
        elif changed == "measure":
            row["measure"] = value
        else:
            more = f", reads=({value},)" if changed == "reads" else f", {changed}"
        text = (
            "from calm_pl.metrics import MetricInfo\n"
            f"METRICS = [MetricInfo({row['key']}, {row['title']}, 'D.', {row['measure']}{more})]\n"
        )
    (tmp_path / "bad_metric.py").write_text(text)
    result = launch("fit-free", "--plugins", "bad_metric.py", *small_job)
    assert result.returncode == 1
    assert told in result.stderr
    assert "Traceback" not in result.stderr
