"""A quick try: few clips of each class, which ones by their names alone."""

import random
from collections import Counter
from pathlib import Path

from calm_pl.data.questions.clips import Asked, Clip, Listing
from calm_pl.data.questions.limits import limit_classes, limit_clips, shots_within
from calm_pl.data.questions.rounds import Division
from calm_pl.data.settings import DataSettings


def clips(classes, each, prefix=""):
    return [Clip(f"{prefix}{c}{n}", Path("x"), (c,), ()) for c in classes for n in range(each)]


def settings(limit, **others):
    return DataSettings(limit=limit, **others)


def per_class(some):
    return Counter(label for clip in some for label in clip.labels)


def test_both_sides_get_equally_many_of_each_class():
    whole = Division("", clips("abc", 30, "p"), clips("abc", 9, "q"))
    few = limit_clips(whole, "abc", settings(20))
    assert per_class(few.pool) == per_class(few.query) == {"a": 6, "b": 6, "c": 6}
    assert shots_within("abc", settings(20)) == 6
    assert [clip for clip in whole.pool if clip in few.pool] == few.pool  # in their order


def test_a_class_that_has_fewer_gives_what_it_has():
    whole = Division("", clips("a", 2) + clips("b", 30), clips("b", 30))
    assert per_class(limit_clips(whole, "ab", settings(20)).pool) == {"a": 2, "b": 10}


def test_held_out_clips_come_on_top():
    beside = settings(4, heldout_shots=3)
    whole = Division("", clips("ab", 30), clips("ab", 30))
    assert per_class(limit_clips(whole, "ab", beside).pool) == {"a": 5, "b": 5}
    apart = limit_clips(whole._replace(heldout=clips("ab", 30, "h")), "ab", beside)
    assert per_class(apart.pool) == {"a": 2, "b": 2}
    assert per_class(apart.heldout) == {"a": 3, "b": 3}


def test_clips_of_several_labels_count_for_each():
    both = [Clip(f"{n}", Path("x"), ("a", "b"), ()) for n in range(50)]
    few = limit_clips(Division("", both, both + clips("c", 50)), "abc", settings(12))
    assert per_class(few.pool) == {"a": 4, "b": 4}
    assert per_class(few.query) == {"a": 4, "b": 4, "c": 4}


def test_which_clips_and_classes_does_not_depend_on_their_order():
    listing = Listing(tuple(f"c{n:02d}" for n in range(50)), clips([f"c{n:02d}" for n in range(50)], 5))
    mixed = listing._replace(clips=random.Random(0).sample(listing.clips, len(listing.clips)))
    few, again = (limit_classes(one, settings(40), None) for one in (listing, mixed))
    assert few.classes == again.classes
    assert {clip.id for clip in few.clips} == {clip.id for clip in again.clips}
    sides = [limit_clips(Division("", one.clips, []), few.classes, settings(40)).pool for one in (few, again)]
    assert {clip.id for clip in sides[0]} == {clip.id for clip in sides[1]}


def test_of_many_classes_half_the_limit_stay_in_their_order():
    classes = tuple(f"c{n:02d}" for n in range(50))
    kept = set()
    for keep in (None, "c07", "c31"):
        few = limit_classes(Listing(classes, clips(classes, 3)), settings(40), keep)
        assert len(few.classes) == 20
        assert list(few.classes) == sorted(few.classes)
        assert {label for clip in few.clips for label in clip.labels} == set(few.classes)
        kept |= {keep} & set(few.classes)
    assert kept >= {"c07", "c31"}
    assert (
        len(limit_classes(Listing(classes, clips(classes, 3)), settings(4, n_options=6), None).classes) == 6
    )


def test_labels_of_classes_that_are_left_out_go():
    classes = tuple("abcdefgh")
    pair = [Clip("1", Path("x"), classes, ())]
    few = limit_classes(Listing(classes, pair), settings(4, n_options=0), None)
    assert len(few.classes) == 2
    assert few.clips[0].labels == few.classes


def test_few_classes_and_clips_with_their_own_options_keep_all():
    listing = Listing(("a", "b"), clips("ab", 3))
    assert limit_classes(listing, settings(40), None) is listing
    classes = tuple("abcdefgh")
    asked = Clip("1", Path("x"), ("a",), (), asked=(Asked("a", "A. a B. b", ("a", "b")),))
    own = Listing(classes, [asked, *clips(classes, 3)])
    assert limit_classes(own, settings(4, n_options=0), None) is own
