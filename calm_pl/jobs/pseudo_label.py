"""A job that labels clips with the frozen model's sampled answers; `pseudo-label` runs it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from calm_pl.config.schema import Config
from calm_pl.jobs.opened import Job, opened, with_callbacks
from calm_pl.jobs.parts import build_pseudo, kept, scored_by, voters_of
from calm_pl.jobs.paths import find_files

if TYPE_CHECKING:
    from calm_pl.data.loading.base import FewShotDataModule
    from calm_pl.pseudo.fitting import PseudoFit


class LabelledClips(NamedTuple):
    """What a job found.

    Attributes:
        job: the job.
        fit: the labels of its clips.
        remarks: sentences about clips of which little is heard.
    """

    job: Job
    fit: PseudoFit
    remarks: list[str]


def label_clips(
    config: Config, unlabelled: Sequence[str] | None = None, quiet: bool = True
) -> LabelledClips | None:
    """Run the job on this process, or on the ranks that Lightning starts.

    Args:
        config: the configuration, with `data.support_labels` set to `pseudo`.
        unlabelled: files and folders to label instead of the support.
        quiet: suppress routine output.

    Returns:
        what it found, on the rank that prints; else None.

    Raises:
        CalmError: anything the user can fix.
    """
    with opened(
        with_callbacks(config, "progress", "pseudo_labels"),
        quiet,
        prepare=lambda data: take_files(data, unlabelled) if unlabelled else None,
    ) as job:
        from calm_pl.evaluation.module import FitFreeModule
        from calm_pl.evaluation.odd_clips import num_unjudged, odd_clips, sentences
        from calm_pl.evaluation.pseudo_labelled import PseudoLabelled
        from calm_pl.pseudo.settings import JUDGE

        task = job.data.task()
        voters = {JUDGE: voters_of(config)[JUDGE]} if config.pseudo.rounds else {}
        pseudo = build_pseudo(config, job.data, task, voters)
        assert pseudo is not None
        # Scores are stored with the vectors, so they must be those that the bank's keys stand for.
        keep, scored = kept(config), scored_by(config)
        module = FitFreeModule(job.lalm, [], task, job.policy, keep, scored, [PseudoLabelled(pseudo)])
        if not job.run(module, evaluate=False):
            return None
        support = module.support_coverage
        remarks = sentences(odd_clips(task, support), num_unjudged(task, support), file="")
        return LabelledClips(job, pseudo, list(remarks))


def take_files(data: FewShotDataModule, paths: Sequence[str]) -> None:
    """Replace the support by unlabelled files, with every class among their options.

    Raises:
        DataError: no such file, a folder without audio, or more classes than option letters.
    """
    from calm_pl.data.questions.clips import Clip, Round
    from calm_pl.data.questions.prompts import Questioner

    files = sorted({path.absolute() for path in find_files(paths)})
    data.root = Path(os.path.commonpath([path.parent for path in files]))
    s = data.settings
    ask = Questioner(data.classes, data.benchmark.question, len(data.classes), s.seed, s.readable_labels).ask
    clips = [Clip(path.relative_to(data.root).as_posix(), path, (), ()) for path in files]
    data.support = [ask(clip, None) for clip in clips]
    data.query = []
    data.rounds = [Round("", 0, tuple(range(len(clips))), (), ())]
