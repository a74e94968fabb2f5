"""Support and query that share a recording are refused."""

from dataclasses import replace

import pytest

from calm_pl.data.base import FewShotDataModule
from calm_pl.data.clips import Split
from calm_pl.data.leaks import refuse_leaks
from calm_pl.data.settings import DataSettings
from calm_pl.errors import DataError

pytest_plugins = ["tiny_data_sets"]


def test_nothing_shared_is_fine(clips):
    refuse_leaks(clips(["dog"], 5), clips(["owl"], 5))
    refuse_leaks([], [])


def test_a_shared_recording_names_the_pair(clips):
    support, query = clips(["dog"], 5), clips(["owl"], 5)
    query[3] = replace(query[3], group="dog-2")
    with pytest.raises(DataError, match=r"dog-2\.wav \(support\) and owl-3\.wav \(query\), recording dog-2"):
        refuse_leaks(support, query)


def test_the_same_file_under_two_recordings_is_refused(clips):
    support, query = clips(["dog"], 2), clips(["owl"], 2)
    query[0] = replace(query[0], path=support[1].path.parent / "x" / ".." / support[1].path.name)
    with pytest.raises(DataError, match=r"dog-1\.wav \(support\) and owl-0\.wav \(query\)"):
        refuse_leaks(support, query)


def test_a_link_to_a_support_file_is_refused(clips):
    support, query = clips(["dog"], 1), clips(["owl"], 1)
    support[0].path.write_bytes(b"x")
    query[0].path.symlink_to(support[0].path)
    with pytest.raises(DataError, match=r"dog-0\.wav \(support\) and owl-0\.wav \(query\)"):
        refuse_leaks(support, query)


def test_many_pairs_are_counted_and_the_list_is_shortened(clips):
    support = clips(["dog"], 9)
    query = [replace(clip, id=f"copy of {clip.id}") for clip in support]
    with pytest.raises(DataError, match=r"\b9\b") as caught:
        refuse_leaks(support, query)
    lines = str(caught.value).splitlines()
    assert len(lines) == 1 + 5 + 1
    assert lines[-1].strip() == "and 4 more"


def test_three_clips_of_one_recording_are_one_recording(clips):
    # The message counts recordings, so it must not count pairs.
    support = clips(["dog"], 1)
    query = [replace(clip, group="dog-0") for clip in clips(["owl"], 3)]
    with pytest.raises(DataError, match=r"share 1 recording\b"):
        refuse_leaks(support, query)


def test_esc50_takes_of_one_recording_in_two_folds_are_refused(make, esc50_root, two_classes):
    # Rows of folds 1 and 2 with one src_file, as a re-split copy would have them.
    leaky = two_classes[2].replace("2-dog", "2-dog-again").replace(",2000,", ",1000,")
    root = esc50_root([*two_classes, leaky])
    with pytest.raises(
        DataError, match=r"2-dog-again\.wav \(support\) and 1-dog\.wav \(query\), recording 1000"
    ):
        make("esc50", root, shots=None).prepare()


class HandMade(FewShotDataModule):
    """A benchmark whose split is handed in."""

    layout = "nothing"
    split: Split

    def read_split(self) -> Split:
        return self.split


def hand_made(split: Split, preparer) -> HandMade:
    module = HandMade(DataSettings(root=".", shots=1, num_workers=0, on_bad_clip="skip"), preparer)
    module.split = split
    return module


def test_a_query_class_that_the_support_lacks(clips, preparer):
    pool, query = clips(["dog", "owl"], 3), clips(["cow", "bee"], 1)
    with pytest.raises(DataError, match=r"The query has classes that the support lacks: bee, cow\."):
        hand_made(Split(("dog", "owl"), pool, query), preparer).prepare()


def test_an_empty_query(clips, preparer):
    with pytest.raises(DataError, match=r"has no query clip"):
        hand_made(Split(("dog", "owl"), clips(["dog", "owl"], 3), []), preparer).prepare()


def test_the_guard_looks_at_drawn_clips_only(clips, preparer):
    # The pool shares a recording with the query, but at one shot and this seed that clip is not drawn.
    pool = clips(["dog", "owl"], 3)
    query = [replace(clip, group=f"{clip.group}-query", id=f"{clip.id}?") for clip in clips(["dog"], 1)]
    query[0] = replace(query[0], path=query[0].path.with_name("other.wav"))
    module = hand_made(Split(("dog", "owl"), pool, query), preparer)
    module.prepare()
    undrawn = next(c for c in pool if c not in [q.clip for q in module.support])
    query[0] = replace(query[0], group=undrawn.group)
    hand_made(Split(("dog", "owl"), pool, query), preparer).prepare()


def test_a_failed_preparation_can_be_tried_again(clips, preparer):
    module = hand_made(Split(("dog", "owl"), clips(["dog", "owl"], 3), []), preparer)
    for _ in range(2):
        with pytest.raises(DataError, match=r"has no query clip"):
            module.prepare()
