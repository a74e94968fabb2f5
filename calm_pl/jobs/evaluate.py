"""`calm_pl.evaluate`: a whole run as one call from Python."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calm_pl.config.compose import load_config, setting_paths
from calm_pl.config.layers import shipped_configs
from calm_pl.errors import ConfigError, RunError
from calm_pl.report.loaded import Results
from calm_pl.runs.folder import RunFolder, read_run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from calm_pl.config.schema import Config
    from calm_pl.evaluation.file_classifier import FileClassifier
    from calm_pl.models import FrozenLALM

_QUIET = {
    "wandb.mode": "disabled",
    "trainer.devices": 1,
    "callbacks": ["progress", "run_record", "predictions", "pseudo_labels"],
}
"""What a call from Python does not do unless it is told to: figures and the page are made when asked for."""


class Evaluation(Results):
    """Results of one run; shown as their table in a terminal and in a notebook.

    Attributes:
        run: the run folder, `results.json` included.
    """

    detailed = True

    def __init__(self, run: RunFolder) -> None:
        super().__init__([run])
        self.run = run

    @property
    def path(self) -> Path:
        """The run folder."""
        return self.run.path

    @cached_property
    def classifier(self) -> FileClassifier:
        """The stored classifier, to label files with."""
        from calm_pl.evaluation.file_classifier import load_classifier

        return load_classifier(self.path)

    def figure(self, name: str = "methods", method: str | None = None, theme: str = "light") -> Figure:
        """Draw a figure of the run.

        Args:
            name: such as `methods`, `confusion`, `calibration` or `head_map`.
            method: method whose confusions are shown, such as `calm`; the one that `predict` prefers if None.
            theme: `light` or `dark`.

        Raises:
            ConfigError: no such figure, or method, or one that this run has not; the message says why.
        """
        from calm_pl.figures.run import LeftOut, run_drawings
        from calm_pl.figures.run_files import facts_of
        from calm_pl.methods import METHODS

        facts = facts_of(self.run)
        title = None if method is None else METHODS.title(method)
        if title not in (None, *facts.predictions):
            raise ConfigError([f"method: must be one of {', '.join(self.run.methods)}, but is {method!r}"])
        drawings = {one.name: one for one in run_drawings(facts, title)}
        one = drawings.get(name)
        if one is None:
            raise ConfigError([f"figure: must be one of {', '.join(drawings)}, but is {name!r}"])
        if isinstance(one, LeftOut):
            raise ConfigError([f"figure: {name} is not drawn, since {one.reason}"])
        return one.draw(theme, None)

    def report(self) -> Path:
        """Draw all figures and write `report.html` into the run folder; returns its path."""
        from calm_pl.figures.folder import draw_into
        from calm_pl.figures.run import run_drawings
        from calm_pl.figures.run_files import facts_of
        from calm_pl.report import write_run_page

        draw_into(self.path / "figures", run_drawings(facts_of(self.run)))
        target = self.path / "report.html"
        write_run_page(self.run, target)
        return target


def evaluate(
    model: str | Path | FrozenLALM,
    benchmark: str | Path,
    *,
    root: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    **more: Any,
) -> Evaluation:
    """Fit on a benchmark's support, evaluate its query, and return the results; as `fit-free` does.

    A run folder is written, `runs/<name>`, and encoded clips are kept in the head bank: the same call again
    needs no model. There is no W&B run, and one device is used, unless the settings say otherwise.

    Args:
        model: a Hugging Face id, a folder, `bundled:tiny_lalm`; or a loaded model.
        benchmark: name of a benchmark, whose shipped configuration is used; or a YAML file.
        root: `data.root`, the folder of the data set.
        settings: further settings by their full names, such as `{"voter.tau_p": 0.1}`.
        more: further settings by their last names, such as `shots=10` for `data.shots`, `methods=["calm"]`.

    Raises:
        CalmError: anything that the command would report.
    """
    from calm_pl.jobs.fit_free import fit_free

    lalm = None if isinstance(model, (str, Path)) else model
    given: dict[str, Any] = {**_QUIET}
    given |= {"model.path": str(model)} if lalm is None else _of_loaded(lalm)
    given |= {} if root is None else {"data.root": str(root)}
    given |= {_full_name(name): value for name, value in more.items()} | dict(settings or {})
    config = _config(str(benchmark), given)
    job = fit_free(config, model_of=None if lalm is None else lambda _: lalm, show=False)
    if job is None:
        raise RunError(
            "evaluate returns results on rank 0 alone: set devices=1, or use the command fit-free."
        )
    return Evaluation(read_run(job.record.run_dir))


def _config(benchmark: str, given: Mapping[str, Any]) -> Config:
    known = f"{benchmark}.yaml" in shipped_configs() or Path(benchmark).suffix in (".yaml", ".yml")
    files = [benchmark] if known else []
    named = {} if known else {"data.benchmark": benchmark}
    return load_config(files, [f"{name}={_text(value)}" for name, value in {**named, **given}.items()])


def _of_loaded(lalm: FrozenLALM) -> dict[str, Any]:
    """Return the settings of a model that is already loaded."""
    identity = lalm.identity()
    template = identity["inputs"].get("clap_template")
    return {
        "model.path": lalm.path or "loaded",
        "model.dtype": identity["dtype"],
        "model.attn": identity["attn"],
        "model.last_n_tokens": lalm.last_n_tokens,
        **({} if template is None else {"model.clap_template": template}),
    }


def _text(value: Any) -> str:
    """Return a value as `key=value` has it."""
    if isinstance(value, (str, Path)):
        return str(value)
    return json.dumps(value)


def _full_name(name: str) -> str:
    """Return the one setting that has a last name.

    Raises:
        ConfigError: none, or several.
    """
    found = [path for path in setting_paths() if path.rpartition(".")[2] == name]
    if len(found) == 1:
        return found[0]
    if not found:
        raise ConfigError([f"{name}: no setting has this name; the configuration's reference lists them"])
    raise ConfigError([f"{name}: is the name of {', '.join(found)}; give the full one in `settings`"])
