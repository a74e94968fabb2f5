"""A fit-free job from its configuration: `fit-free` and `train` run it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from calm_pl.config.schema import PRIOR_METHOD, TRANSDUCTIVE_METHOD, Config
from calm_pl.data.questions.prompts import SIMILARITY
from calm_pl.jobs.opened import Job, opened
from calm_pl.jobs.parts import build_pseudo, refuse_no_options, voters_of
from calm_pl.models.clap_facts import is_clap

if TYPE_CHECKING:
    from calm_pl.models import DeferredLALM, FrozenLALM


def fit_free(
    config: Config,
    quiet: bool = True,
    model_of: Callable[[Config], DeferredLALM | FrozenLALM] | None = None,
    show: bool = True,
) -> Job | None:
    """Run a job on this process, or on the ranks that Lightning starts.

    Args:
        config: the configuration.
        quiet: suppress routine output.
        model_of: builds the model, if several jobs share it; None builds its own.
        show: print the table.

    Returns:
        the job, on the rank that prints; else None.

    Raises:
        CalmError: anything the user can fix.
    """
    with opened(
        config, quiet, prepare=lambda data: refuse_no_options(config, data), model_of=model_of
    ) as job:
        from calm_pl.evaluation.class_texts import class_text_contenders
        from calm_pl.evaluation.lineup import contenders
        from calm_pl.evaluation.module import FitFreeModule
        from calm_pl.report.terminal import print_results

        task = job.data.task()
        mode = SIMILARITY if is_clap(job.lalm.identity()) else config.zero_shot
        evaluated = contenders(
            voters_of(config),
            task,
            zero_shot=mode if "zero_shot" in config.methods else None,
            oracle=config.voter.select == "oracle",
            pseudo=build_pseudo(config, job.data, task, voters_of(config)),
            prior=PRIOR_METHOD in config.methods,
            transductive=TRANSDUCTIVE_METHOD in config.methods,
        )
        evaluated += class_text_contenders(config.methods, job.lalm, task, evaluated)
        module = FitFreeModule(job.lalm, evaluated, task, job.policy, refit=config.run.refit)
        if not job.run(module):
            return None
        if show:
            print_results(module, job.data, job.record.title, job.record.run_dir, job.record.elapsed)
        return job
