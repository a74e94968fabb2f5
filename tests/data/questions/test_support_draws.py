"""The draw of support clips: by seed and clip id, and by nothing else."""

import random
import subprocess
import sys

import pytest

from calm_pl.data.questions.draws import draw_support, stable_number
from calm_pl.errors import DataError

pytest_plugins = ["tiny_data_sets"]

LABELS = ("cat", "dog", "owl")


def ids(clips) -> list[str]:
    return [clip.id for clip in clips]


def drawn(pool, labels, shots, seed) -> list:
    """The support clips of a draw."""
    return [one.clip for one in draw_support(pool, labels, shots, seed).support]


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_the_pool_does_not_matter(clips, seed):
    pool = clips(LABELS, 12)
    mixed = random.Random(seed).sample(pool, len(pool))
    assert draw_support(pool, LABELS, 4, seed) == draw_support(mixed, LABELS, 4, seed)


def test_the_seed_matters(clips):
    pool = clips(LABELS, 12)
    draws = {tuple(ids(drawn(pool, LABELS, 4, seed))) for seed in range(10)}
    assert len(draws) == 10


def test_shots_are_nested(clips):
    pool = clips(LABELS, 12)
    for shots in range(1, 12):
        fewer, more = (set(ids(drawn(pool, LABELS, k, 3))) for k in (shots, shots + 1))
        assert fewer < more


def test_other_clips_in_the_pool_do_not_reshuffle_a_draw(clips):
    # Dropping a clip that was not drawn leaves the draw as it was.
    pool = clips(LABELS, 12)
    first = drawn(pool, LABELS, 4, 0)
    others = [clip for clip in pool if clip not in first]
    assert drawn([c for c in pool if c != others[0]], LABELS, 4, 0) == first


def test_support_comes_class_by_class_in_class_order(clips):
    support = draw_support(clips(LABELS, 5), ("owl", "cat", "dog"), 2, 0).support
    assert [one.label for one in support] == ["owl", "owl", "cat", "cat", "dog", "dog"]


def test_null_takes_all(clips):
    pool = clips(LABELS, 5)
    assert sorted(ids(drawn(pool, LABELS, None, 0))) == sorted(ids(pool))


def test_every_clip_is_drawn_about_equally_often(clips):
    # 2,000 draws of 3 out of 12: 500 each, standard deviation 19.
    pool = clips(["dog"], 12)
    counts = dict.fromkeys(ids(pool), 0)
    for seed in range(2_000):
        for clip in drawn(pool, ["dog"], 3, seed):
            counts[clip.id] += 1
    assert all(400 < count < 600 for count in counts.values()), counts


def test_too_many_shots_name_the_class_and_its_count(clips):
    pool = [*clips(["dog"], 5), *clips(["owl"], 3)]
    with pytest.raises(
        DataError, match=r"data\.shots is 4, but class 'owl' has only 3 clips .*set data\.shots to 3"
    ):
        draw_support(pool, ["dog", "owl"], 4, 0)


@pytest.mark.parametrize("shots", [1, None])
def test_an_empty_class(clips, shots):
    with pytest.raises(DataError, match=r"Class 'owl' has no clip to take support from"):
        draw_support(clips(["dog"], 5), ["dog", "owl"], shots, 0)


def test_numbers_are_the_same_in_every_process():
    # Python's own hash() of text is not.
    code = (
        "from calm_pl.data.questions.draws import stable_number; print(stable_number(0, 'support', 'ä.wav'))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert int(told) == stable_number(0, "support", "ä.wav")


def test_parts_do_not_run_into_each_other():
    assert stable_number("a", "bc") != stable_number("ab", "c")
    assert stable_number(1, "1") != stable_number(11, "")
