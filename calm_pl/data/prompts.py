"""Multiple-choice questions: which options a clip is shown, in which order, in which words."""

from __future__ import annotations

import random
import string
from collections.abc import Sequence

from calm_pl.data.clips import Clip, Query
from calm_pl.data.draws import stable_number
from calm_pl.errors import DataError

LETTERS = string.ascii_uppercase


class Questioner:
    """Asks about clips.

    Args:
        classes: labels in class order.
        question: text before the options.
        n_options: options shown; 0 for none, and never more than there are classes.
        seed: with a clip's id it draws distractors and order, whatever the batch or rank.
        readable_labels: show underscores as spaces.

    Raises:
        DataError: more options than letters.
    """

    def __init__(
        self,
        classes: Sequence[str],
        question: str,
        n_options: int,
        seed: int,
        readable_labels: bool = False,
    ) -> None:
        self.n_options = min(n_options, len(classes))
        if self.n_options > len(LETTERS):
            raise DataError(
                f"data.n_options is {n_options}, but there are {len(LETTERS)} option letters;"
                f" set it to {len(LETTERS)} or less."
            )
        self.question = question
        self.seed = seed
        self.shown = [c.replace("_", " ") if readable_labels else c for c in classes]

    def ask(self, clip: Clip, label: int | None) -> Query:
        """The question about a clip, its true class `label` among the options.

        Where the class is not known (None), all options are drawn.
        """
        rng = random.Random(stable_number(self.seed, "options", clip.id))
        others = [c for c in range(len(self.shown)) if c != label]
        known = [] if label is None or self.n_options == 0 else [label]
        options = known + rng.sample(others, self.n_options - len(known))
        rng.shuffle(options)
        return Query(clip, self.text(options), tuple(options))

    def text(self, options: Sequence[int]) -> str:
        """The question with its options: `What ...? A. dog B. rain`."""
        lettered = (f"{LETTERS[i]}. {self.shown[c]}" for i, c in enumerate(options))
        return " ".join([self.question, *lettered])
