"""What is told of clips of which little is heard."""

from pathlib import Path

from calm_pl.data.questions.clips import Clip, Query, Round
from calm_pl.data.questions.task import Task
from calm_pl.evaluation.clip_counts import Coverage, Odd
from calm_pl.evaluation.odd_clips import counts, odd_clips, sentences


def query(name, label=0):
    return Query(Clip(name, Path(name), ("a", "b"), ()), label, "?", ())


def coverage(*odd):
    return Coverage(9, [], [], [Odd(position, kinds) for position, kinds in odd], [])


# The second clip is asked about twice, and stands on both sides in turn.
TASK = Task(
    ("a", "b"),
    (query("1.wav"), query("2.wav"), query("2.wav", 1)),
    (query("2.wav"), query("3.wav")),
    (Round("", 0, (0, 1, 2), (), (0, 1)),),
)
FOUND = odd_clips(
    TASK,
    coverage((0, ("silent",)), (1, ("silent", "short")), (2, ("silent", "short"))),
    coverage((0, ("silent", "short"))),
)


def test_a_clip_counts_once_whatever_it_is_asked_and_on_both_sides():
    assert [(one.split, one.clip.id) for one in FOUND] == [
        ("support", "1.wav"),
        ("support", "2.wav"),
        ("query", "2.wav"),
    ]
    assert counts(FOUND) == {"silent": 2, "short": 1}


def test_each_kind_is_counted_and_named():
    assert sentences(FOUND) == [
        "2 clips are digitally silent: 1.wav, 2.wav (odd_clips.csv).",
        "1 clip is shorter than 0.1 s and padded with silence: 2.wav (odd_clips.csv).",
    ]


def test_only_the_first_of_many_are_named():
    support = tuple(query(f"{n}.wav") for n in range(1_200))
    task = Task(("a", "b"), support, (), ())
    found = odd_clips(task, coverage(*((n, ("too_loud",)) for n in range(1_200))))
    (line,) = sentences(found, file="")
    assert line == (
        "1,200 clips are more than 10 times above full scale (floats in 16-bit units?): 0.wav, 1.wav, 2.wav"
        " and 1,197 more."
    )


def test_cached_clips_of_an_earlier_version_are_told():
    assert sentences([]) == []
    (line,) = sentences([], unjudged=1_600)
    assert line.startswith("1,600 cached clips were encoded by a version that did not look for silence")
