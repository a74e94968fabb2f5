"""Rows of one clip are joined, and clips are divided, whatever their order."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calm_pl.data.own.own_clips import Found, join_rows, with_folds, with_guessed_groups, with_split
from calm_pl.data.questions.clips import Asked, Clip
from calm_pl.errors import DataError


def clip(name, *labels, group="", **more):
    return Clip(name, Path(name), labels, (group,) if group else (), **more)


clip_lists = st.lists(
    st.tuples(
        st.integers(0, 40),
        st.lists(st.sampled_from("abc"), min_size=1, max_size=2, unique=True),
        st.sampled_from(["", "g1", "g2", "g3"]),
    ),
    unique_by=lambda one: one[0],
    max_size=30,
).map(lambda drawn: [clip(f"{n}.wav", *sorted(labels), group=group) for n, labels, group in drawn])


@settings(suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no fault of the code
@given(clip_lists, st.floats(0.05, 0.95), st.randoms())
def test_order_changes_no_division_and_groups_stay_together(clips, fraction, random):
    divided = {one.id: one.split for one in with_split(clips, fraction)}
    shuffled = list(clips)
    random.shuffle(shuffled)
    assert {one.id: one.split for one in with_split(shuffled, fraction)} == divided
    assert set(divided.values()) <= {"train", "test"}
    sides: dict[str, set[str]] = {}
    for one in clips:
        for group in one.groups:
            sides.setdefault(group, set()).add(divided[one.id])
    assert all(len(side) == 1 for side in sides.values())


@given(st.integers(2, 30), st.floats(0.05, 0.95))
def test_each_class_gives_its_share(n, fraction):
    clips = [clip(f"{label}{i}", label) for label in "ab" for i in range(n)]
    for label in "ab":
        count = sum(one.split == "test" for one in with_split(clips, fraction) if label in one.labels)
        assert count == min(max(round(fraction * n), 1), n - 1)


def test_clips_linked_through_others_stay_together():
    chain = [Clip(f"{i}", Path(f"{i}"), ("a",), (f"g{i}", f"g{i + 1}")) for i in range(9)]
    assert len({one.split for one in with_split(chain, 0.5)}) == 1


def test_adding_a_class_moves_no_clip_of_another():
    clips = [clip(f"{label}{i}", label) for label in "ab" for i in range(9)]
    before = {one.id: one.split for one in with_split(clips, 0.5)}
    after = {one.id: one.split for one in with_split([*clips, clip("c1", "c"), clip("c2", "c")], 0.5)}
    assert before.items() <= after.items()


rows = st.lists(
    st.tuples(
        st.sampled_from(["1.wav", "2.wav", "3.wav"]),
        st.sampled_from("abc"),
        st.sampled_from(["", "Q1", "Q2"]),
    ),
    min_size=1,
)


@given(rows, st.randoms())
def test_order_of_rows_changes_no_clip(drawn, random):
    def found(rows):
        return [
            Found(f"line {i}", clip(name, label, asked=(Asked(label, question),) if question else ()))
            for i, (name, label, question) in enumerate(rows)
        ]

    shuffled = list(drawn)
    random.shuffle(shuffled)
    joined = join_rows(found(drawn))
    assert joined == join_rows(found(shuffled))
    assert [one.id for one in joined.clips] == sorted({name for name, _, _ in drawn})
    for one in joined.clips:
        assert one.labels == tuple(sorted({label for name, label, _ in drawn if name == one.id}))
    assert joined.repeats == len(drawn) - len({(name, label) for name, label, _ in drawn})


def test_of_two_questions_about_one_label_the_first_in_the_alphabet_is_asked():
    both = [Found(str(i), clip("x", "a", asked=(Asked("a", q),))) for i, q in enumerate(("Q2", "Q1"))]
    (one,) = join_rows(both).clips
    assert one.asked == (Asked("a", "Q1"),)


@pytest.mark.parametrize("other", [clip("x", "b", group="g2"), clip("x", "b", group="g1", video=Path("v"))])
def test_rows_of_one_clip_must_agree(other):
    with pytest.raises(DataError, match="line 1 and line 2 are about the same clip"):
        join_rows([Found("line 1", clip("x", "a", group="g1")), Found("line 2", other)])


@pytest.mark.parametrize("part", ["split", "fold"])
def test_a_division_of_some_rows_alone_is_refused(part):
    some = [Found("line 1", clip("x", "a", **{part: "1"})), Found("line 2", clip("y", "a"))]
    with pytest.raises(DataError, match=f"line 2: {part} is empty, but other rows have one"):
        join_rows(some)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(clip_lists, st.integers(2, 6), st.randoms())
def test_folds_keep_groups_together_whatever_the_order(clips, num_folds, random):
    try:
        folds = {one.id: one.fold for one in with_folds(clips, num_folds)[0]}
    except DataError:
        return
    shuffled = list(clips)
    random.shuffle(shuffled)
    assert {one.id: one.fold for one in with_folds(shuffled, num_folds)[0]} == folds
    assert set(folds.values()) - {""} == {str(n + 1) for n in range(len(set(folds.values()) - {""}))}
    assert 2 <= len(set(folds.values()) - {""}) <= num_folds
    for one in clips:
        for group in one.groups:
            assert len({folds[other.id] for other in clips if group in other.groups}) == 1


@given(st.integers(2, 30), st.integers(2, 6))
def test_each_class_is_spread_evenly_over_the_folds(n, num_folds):
    clips = [clip(f"{label}{i}", label) for label in "abc" for i in range(n)]
    folded, note = with_folds(clips, num_folds)
    num_folds = min(num_folds, n)
    for label in "abc":
        counts = [sum(c.fold == str(f + 1) for c in folded if label in c.labels) for f in range(num_folds)]
        assert max(counts) - min(counts) <= 1
    sizes = [sum(c.fold == str(f + 1) for c in folded) for f in range(num_folds)]
    assert max(sizes) - min(sizes) <= 1  # what is left over of each class goes to the smallest folds
    assert note == f"{num_folds}-fold cross-validation over {3 * n} recordings of {3 * n} clips"


def test_a_class_with_a_single_recording_is_never_evaluated():
    clips = [
        *(clip(f"a{i}", "a") for i in range(4)),
        *(clip(f"b{i}", "b", group="tape") for i in range(3)),
    ]
    folded, note = with_folds(clips, 5)
    assert {one.fold for one in folded if "b" in one.labels} == {""}
    assert note.endswith("classes with a single recording are fitted, but not evaluated: b")
    with pytest.raises(DataError, match="no class has two recordings"):
        with_folds(clips[4:], 5)


@pytest.mark.parametrize(
    ("name", "pattern", "group"),
    [
        ("tape7_03.wav", "auto", "tape7"),
        ("1-172649-B-40.ogg", "auto", "1-172649-B"),
        ("night 2.flac", "auto", "night"),
        ("bark.wav", "auto", None),
        ("_1.wav", "auto", None),
        ("1-172649-B-40.ogg", r"^\d-(\d+)-", "172649"),
        ("other.ogg", r"^\d-(\d+)-", None),
    ],
)
def test_recordings_guessed_from_names(name, pattern, group):
    (one,), _ = with_guessed_groups([clip(name, "a")], pattern)
    assert one.groups == (() if group is None else (group,))


def test_a_clip_with_a_group_keeps_it():
    clips = [clip("x_1", "a", group="mine"), clip("x_2", "a"), clip("x_3", "a"), clip("y", "a")]
    guessed, note = with_guessed_groups(clips, "auto")
    assert [one.groups for one in guessed] == [("mine",), ("x",), ("x",), ()]
    assert note == "recordings guessed from file names: 3 of 4 clips, such as 'x' with 2"
