"""Build the contenders from voters and further methods, in the order of the table."""

from __future__ import annotations

from collections.abc import Mapping

from calm_pl.data.questions.prompts import ZERO_SHOT_MODES
from calm_pl.data.questions.task import Task
from calm_pl.evaluation.contenders import Contender, FittedVoter, Oracle, ZeroShot
from calm_pl.evaluation.prior import BASE, PRIOR, WithPrior
from calm_pl.evaluation.pseudo_labelled import OnPseudoLabels
from calm_pl.pseudo.fitting import PseudoFit
from calm_pl.voters import HeadVoter
from calm_pl.voters.calm import CalmBase

ZERO_SHOT = "zero_shot"


def contenders(
    voters: Mapping[str, HeadVoter],
    task: Task,
    zero_shot: str | None = "letters",
    oracle: bool = False,
    pseudo: PseudoFit | None = None,
    prior: bool = False,
) -> list[Contender]:
    """Return the contenders of a task.

    Args:
        voters: unfitted voters by method name.
        task: classes, questions and rounds.
        zero_shot: how the model itself answers, `letters`, `text` or `generate` (see `option_scores`); None
            leaves that out.
        oracle: also CALM and CALM-Global with the settings that suit the query set best.
        pseudo: also voters on the labels that the model gave the support; None leaves that out.
        prior: the model's own answers also join CALM-Auto's; needs `zero_shot` by letters or text, and
            questions that list all classes.

    Raises:
        ValueError: no such way of answering, or a prior without what it is made of.
        RunError: a prior, and a question that does not list all classes.
    """
    if zero_shot not in (None, *ZERO_SHOT_MODES):
        raise ValueError(
            f"Expected `zero_shot` to be None or one of {ZERO_SHOT_MODES}, but got {zero_shot!r}."
        )
    if prior and (zero_shot not in ("letters", "text") or BASE not in voters):
        raise ValueError(f"Expected `zero_shot` by letters or text and a voter {BASE!r} for `prior`.")
    fitted = {name: FittedVoter(name, voter) for name, voter in voters.items()}
    found: list[Contender] = [ZeroShot(ZERO_SHOT, zero_shot)] if zero_shot else []
    found += fitted.values()
    if oracle:
        found += [Oracle(one) for one in fitted.values() if isinstance(one.voter, CalmBase)]
    if pseudo is not None:
        found += OnPseudoLabels.all_of(pseudo, task.only_options)
    if prior:
        found.append(WithPrior(PRIOR, fitted[BASE], task))
    return found
