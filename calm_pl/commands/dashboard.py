"""`dashboard`: a Weights & Biases workspace for the runs of a project."""

from __future__ import annotations

import importlib
import json
from collections.abc import Sequence
from typing import Any, cast

from calm_pl.commands.arguments import parser
from calm_pl.errors import RunError
from calm_pl.methods import METHODS
from calm_pl.metrics.info import METRICS

_EXAMPLES = """\
  {program} --entity my-team --project calm_pl
  {program} --entity my-team --project calm_pl --method calm --vary voter.tau_p --vary data.shots
  {program} --entity my-team --project calm_pl --print
"""
_VARIED = ("data.shots", "voter.tau_p", "voter.top_k")


def run(argv: Sequence[str], program: str, debug: bool) -> int:
    """Run the command; see `main`."""
    command = parser(
        program,
        "Create a Weights & Biases workspace: methods side by side, results against settings, folds and\n"
        "draws, tables. It shows the existing and future runs of the project.",
        _EXAMPLES,
    )
    command.add_argument("--entity", required=True, help="user or team")
    command.add_argument("--project", default="calm_pl")
    command.add_argument("--name", default="calm_pl", help="name of the workspace")
    command.add_argument(
        "--method",
        choices=METHODS.all_keys(),
        metavar="METHOD",
        default="calm",
        help="method whose results are plotted against settings",
    )
    command.add_argument("--metric", choices=METRICS.keys(), default="accuracy")
    command.add_argument(
        "--vary",
        action="append",
        metavar="SETTING",
        help=f"a setting to plot the results against; default: {', '.join(_VARIED)}",
    )
    command.add_argument("--print", action="store_true", dest="show", help="print it without uploading")
    command.add_argument("--debug", action="store_true", help="show the traceback of an error")
    args = command.parse_args(list(argv))
    made = workspace(
        args.entity, args.project, args.name, args.method, args.metric, args.vary or list(_VARIED)
    )
    if args.show:
        print(json.dumps(specification(made), indent=2))
        return 0
    try:
        made.save()
    except Exception as error:  # wandb, its HTTP client and errors from the server each have their own types
        raise RunError(f"Weights & Biases: {error} (--print shows the workspace without it.)") from error
    print(f"Workspace: {made.url}")
    return 0


def workspace(entity: str, project: str, name: str, method: str, metric: str, varied: Sequence[str]) -> Any:
    """Return a `wandb_workspaces` Workspace of panels for what `WandbTables` and Lightning log.

    Args:
        entity: user or team.
        project: its project.
        name: name of the workspace.
        method: method whose metric is plotted against settings.
        metric: metric of all panels.
        varied: settings, such as `voter.tau_p`.

    Raises:
        RunError: wandb-workspaces is not installed.
    """
    try:
        panels = cast(Any, importlib.import_module("wandb_workspaces.reports.v2"))
        ws = cast(Any, importlib.import_module("wandb_workspaces.workspaces"))
    except ImportError as error:
        raise RunError("A workspace needs wandb-workspaces: pip install 'calm_pl[dashboard]'.") from error
    chosen = f"test/{method}/{metric}"
    results = [
        panels.BarPlot(
            title=f"{METRICS[metric].title} by method",
            metrics=[panels.SummaryMetric(f"test/{one}/{metric}") for one in METHODS.all_keys()],
        ),
        panels.RunComparer(diff_only="split"),
    ]
    against = [
        panels.ScatterPlot(
            title=f"{METHODS.title(method)}: {METRICS[metric].title} by {setting}",
            x=panels.Config(setting),
            y=panels.SummaryMetric(chosen),
        )
        for setting in varied
    ]
    rounds = [
        panels.LinePlot(
            title="accuracy by fold and draw",
            x="round",
            y=[f"rounds/{one}/accuracy" for one in METHODS.all_keys()],
        )
    ]
    tables = [
        panels.WeavePanelSummaryTable(table_name=f"test/{table}")
        for table in ("methods", "differences", "confusion", "predictions", "listen")
    ]
    return ws.Workspace(
        entity=entity,
        project=project,
        name=name,
        sections=[
            ws.Section(name="Results", panels=results, is_open=True),
            ws.Section(name="Settings", panels=against, is_open=True),
            ws.Section(name="Folds and draws", panels=rounds),
            ws.Section(name="Tables", panels=tables),
        ],
        runset_settings=ws.RunsetSettings(order=[ws.Ordering(item=ws.Summary(chosen), ascending=False)]),
        # W&B places figures, and whatever else a run logs, by itself.
        auto_generate_panels=True,
    )


def specification(made: Any) -> dict[str, Any]:
    """Return what would be sent, as plain values."""
    return json.loads(made._to_model().model_dump_json(by_alias=True, exclude_none=True))
