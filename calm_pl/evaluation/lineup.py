"""Build the contenders from voters and further methods, in the order of the table."""

from __future__ import annotations

from collections.abc import Mapping

from calm_pl.data.questions.prompts import SIMILARITY, ZERO_SHOT_MODES
from calm_pl.data.questions.task import Task
from calm_pl.evaluation.contenders import Contender, FittedVoter, Oracle, ZeroShot
from calm_pl.evaluation.prior import BASE, PRIOR, WithPrior
from calm_pl.evaluation.pseudo_labelled import OnPseudoLabels
from calm_pl.evaluation.transductive import BASE as TRANSDUCTIVE_BASE
from calm_pl.evaluation.transductive import TRANSDUCTIVE, Transductive
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
    transductive: bool = False,
) -> list[Contender]:
    """Return the contenders of a task.

    Args:
        voters: unfitted voters by method name.
        task: classes, questions and rounds.
        zero_shot: how the model itself chooses: `letters`, `text`, `generate` or, of a CLAP model,
            `similarity` (see `option_scores`); None omits zero-shot.
        oracle: also evaluate CALM and CALM-Global with the settings that are best on the query set.
        pseudo: also evaluate voters fitted on the model's labels of the support; None omits them.
        prior: also evaluate CALM-Auto combined with the model's own answers; needs `zero_shot` by letters or
            text, and questions that list all classes.
        transductive: also evaluate GDA on the query as a whole; needs a voter `gda`.

    Raises:
            ValueError: an unknown `zero_shot`, or a prior without zero-shot or CALM-Auto.
            RunError: a prior, with a question that does not list all classes.
    """
    modes = (*ZERO_SHOT_MODES, SIMILARITY)
    if zero_shot not in (None, *modes):
        raise ValueError(f"Expected `zero_shot` to be None or one of {modes}, but got {zero_shot!r}.")
    if prior and (zero_shot not in ("letters", "text") or BASE not in voters):
        raise ValueError(f"Expected `zero_shot` to be letters or text, and a voter {BASE!r}, for `prior`.")
    if transductive and TRANSDUCTIVE_BASE not in voters:
        raise ValueError(f"Expected a voter {TRANSDUCTIVE_BASE!r} for `transductive`.")
    fitted = {name: FittedVoter(name, voter) for name, voter in voters.items()}
    found: list[Contender] = [ZeroShot(ZERO_SHOT, zero_shot)] if zero_shot else []
    found += fitted.values()
    if oracle:
        found += [Oracle(one) for one in fitted.values() if isinstance(one.voter, CalmBase)]
    if pseudo is not None:
        found += OnPseudoLabels.all_of(pseudo, task.only_options)
    if prior:
        found.append(WithPrior(PRIOR, fitted[BASE], task))
    if transductive:
        found.append(Transductive(TRANSDUCTIVE, fitted[TRANSDUCTIVE_BASE]))
    return found
