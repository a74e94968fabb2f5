"""Multiple-choice questions: which options a clip is shown, in which order, in which words."""

from __future__ import annotations

import random
import string
from collections.abc import Sequence

from calm_pl.data.questions.clips import Asked, Clip, Query
from calm_pl.data.questions.draws import stable_number
from calm_pl.errors import DataError

LETTERS = string.ascii_uppercase
ZERO_SHOT_MODES = ("letters", "text", "generate")
"""How the model itself answers a question with options; see `calm_pl.evaluation.zero_shot`."""
SIMILARITY = "similarity"
"""How a CLAP model does, whatever is configured."""


class Questioner:
    """Maker of the questions about clips.

    Args:
        classes: labels in class order.
        question: text before the options.
        n_options: options shown; 0 for none, and never more than there are classes.
        seed: with a clip's id it draws distractors and order, whatever the batch or rank.
        readable_labels: show underscores as spaces.
        orders: orders of the options that are asked, each a turn of the first.

    Raises:
        DataError: more options than letters, more orders than options, or classes that would look alike.
    """

    def __init__(
        self,
        classes: Sequence[str],
        question: str,
        n_options: int,
        seed: int,
        readable_labels: bool = False,
        orders: int = 1,
    ) -> None:
        self.n_options = min(n_options, len(classes))
        if self.n_options > len(LETTERS):
            raise DataError(
                f"data.n_options is {n_options}, but there are {len(LETTERS)} option letters;"
                f" set it to {len(LETTERS)} or less."
            )
        if orders > max(1, self.n_options):
            raise DataError(
                f"data.option_orders is {orders}, but {self.n_options} options have only"
                f" {max(1, self.n_options)} turns; set it to that or less."
            )
        self.orders = orders
        self.question = question
        self.seed = seed
        self.position = {label: i for i, label in enumerate(classes)}
        self.shown = [c.replace("_", " ") if readable_labels else c for c in classes]

        alike = [c for c, shown in zip(classes, self.shown, strict=True) if self.shown.count(shown) > 1]
        if alike:
            raise DataError(
                f"data.readable_labels would show {alike[0]!r} and {alike[1]!r} alike; set it to false."
            )

    def ask(self, clip: Clip, label: str | None) -> Query:
        """Return the question about a clip, with its true class `label` among the options.

        A clip's other labels are true as well and never among the distractors. Where the class is not known
        (None), all options are drawn. A question that came with the clip is asked as it is.

        Raises:
            DataError: a question that came with the clip has options that do not fit the classes.
        """
        asked = next((asked for asked in clip.asked if asked.label == label), None)
        if asked is not None:
            return self._as_it_came(clip, asked)
        truth = -1 if label is None else self.position[label]
        # A multi-label clip is asked about several times: each question draws its own distractors.
        key = (clip.id,) if len(clip.labels) < 2 else (clip.id, label)
        rng = random.Random(stable_number(self.seed, "options", *key))
        true = {self.position[one] for one in clip.labels} | {truth}
        others = [c for c in range(len(self.shown)) if c not in true]
        known = [] if truth < 0 or self.n_options == 0 else [truth]
        wanted = min(self.n_options - len(known), len(others))
        options = known + rng.sample(others, wanted)
        rng.shuffle(options)
        turned = tuple(self.text(options[n:] + options[:n]) for n in range(1, self.orders))
        return Query(clip, truth, self.text(options), tuple(options), turned)

    def text(self, options: Sequence[int]) -> str:
        """Return the question with its options: `What ...? A. dog B. rain`."""
        lettered = (f"{LETTERS[i]}. {self.shown[c]}" for i, c in enumerate(options))
        return " ".join(filter(None, [self.question, *lettered]))

    def _as_it_came(self, clip: Clip, asked: Asked) -> Query:
        if self.orders > 1:
            raise DataError(
                f"data.option_orders is {self.orders}, but clip {clip.id} brings its own question; its"
                " options cannot be put in another order. Set it to 1."
            )
        strange = [name for name in asked.options if name not in self.position]
        if strange:
            raise DataError(f"Clip {clip.id}: its option {strange[0]!r} is none of the classes.")
        if asked.options and asked.label not in asked.options:
            raise DataError(
                f"Clip {clip.id}: its label {asked.label!r} is not among its options {list(asked.options)}."
            )
        if len(set(asked.options)) < len(asked.options) or len(asked.options) > len(LETTERS):
            raise DataError(
                f"Clip {clip.id}: options must be at most {len(LETTERS)} different classes, but are"
                f" {list(asked.options)}."
            )
        options = tuple(self.position[name] for name in asked.options)
        return Query(clip, self.position[asked.label], asked.question, options)
