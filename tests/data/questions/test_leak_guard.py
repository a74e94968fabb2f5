"""Support and query that share a recording are refused."""

from dataclasses import replace

import pytest

from calm_pl.data.benchmark import Benchmark
from calm_pl.data.facts import Facts
from calm_pl.data.loading.base import FewShotDataModule
from calm_pl.data.questions.clips import Listing
from calm_pl.data.questions.leaks import refuse_leaks
from calm_pl.data.settings import DataSettings
from calm_pl.errors import DataError

pytest_plugins = ["tiny_data_sets"]


def test_nothing_shared_is_fine(clips):
    refuse_leaks(clips(["dog"], 5), clips(["owl"], 5))
    refuse_leaks([], [])


def test_a_shared_recording_names_the_pair(clips):
    support, query = clips(["dog"], 5), clips(["owl"], 5)
    query[3] = replace(query[3], groups=("batch 7", "recording dog-2"))
    with pytest.raises(DataError, match=r"dog-2\.wav \(support\) and owl-3\.wav \(query\): recording dog-2"):
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
    assert len(lines) == 1 + 5 + 1 + 1
    assert lines[-2].strip() == "and 4 more"
    assert "data.leak_guard=none" in lines[-1]


def test_three_clips_of_one_recording_are_one_recording(clips):
    # The message counts recordings, so it must not count pairs.
    support = clips(["dog"], 1)
    query = [replace(clip, groups=("recording dog-0",)) for clip in clips(["owl"], 3)]
    with pytest.raises(DataError, match=r"share 1 recording\b"):
        refuse_leaks(support, query)


def test_esc50_takes_of_one_recording_in_two_folds_are_refused(make, esc50_root, two_classes):
    # Rows of folds 1 and 2 with one src_file, as a re-split copy would have them.
    leaky = two_classes[2].replace("2-dog", "2-dog-again").replace(",2000,", ",1000,")
    root = esc50_root([*two_classes, leaky])
    with pytest.raises(
        DataError, match=r"2-dog-again\.wav \(support\) and 1-dog\.wav \(query\): recording 1000"
    ):
        make("esc50", root, shots=None).prepare()


class HandMade(Benchmark):
    """A benchmark whose listing is handed in."""

    facts = Facts("Hand-made", "none", "nowhere", "nothing")
    listing: Listing

    def read(self) -> Listing:
        return self.listing


@pytest.fixture
def hand_made(preparer, write_sound):
    """A module of pool and query clips; each gets a sound of its own, so that no two files are alike."""

    def make(classes, pool, query, **settings) -> FewShotDataModule:
        benchmark = HandMade(DataSettings(root=".", shots=1, num_workers=0, **settings))
        listed = [*(replace(c, split="train") for c in pool), *(replace(c, split="test") for c in query)]
        for number, clip in enumerate(listed):
            if not clip.path.exists():
                write_sound(clip.path, level=0.01 + number / 100)
        benchmark.listing = Listing(tuple(classes), listed)
        return FewShotDataModule(benchmark, preparer)

    return make


def test_a_query_class_that_the_data_set_does_not_have(clips, hand_made):
    pool, query = clips(["dog", "owl"], 3), clips(["cow", "bee"], 1)
    with pytest.raises(DataError, match=r"The query set has classes that the support set lacks: bee, cow\."):
        hand_made(["dog", "owl"], pool, query).prepare()


def test_an_empty_query(clips, hand_made):
    with pytest.raises(DataError, match=r"data\.query_split is 'test', but the clips .* splits train\."):
        hand_made(["dog", "owl"], clips(["dog", "owl"], 3), []).prepare()


def test_the_guard_looks_at_drawn_clips_only(clips, hand_made):
    # The pool shares a recording with the query, but at one shot and this seed that clip is not drawn.
    pool = clips(["dog", "owl"], 3)
    (one,) = clips(["dog"], 1)
    query = replace(one, id="asked.wav", path=one.path.with_name("asked.wav"), groups=("recording asked",))
    module = hand_made(["dog", "owl"], pool, [query])
    module.prepare()
    drawn = {q.clip.id for q in module.support}
    undrawn = next(clip for clip in pool if clip.id not in drawn)
    hand_made(["dog", "owl"], pool, [replace(query, groups=undrawn.groups)]).prepare()
    used = next(clip for clip in pool if clip.id in drawn)
    with pytest.raises(DataError, match="share 1 recording"):
        hand_made(["dog", "owl"], pool, [replace(query, groups=used.groups)]).prepare()


def test_a_failed_preparation_can_be_tried_again(clips, hand_made):
    module = hand_made(["dog", "owl"], clips(["dog", "owl"], 3), [])
    for _ in range(2):
        with pytest.raises(DataError, match=r"data\.query_split is 'test'"):
            module.prepare()


def alike(clips, hand_made, **settings) -> FewShotDataModule:
    """The query's file has the bytes of a support file, under another name and recording."""
    pool = clips(["dog", "owl"], 1)
    query = replace(pool[0], id="copy.wav", path=pool[0].path.with_name("copy.wav"), groups=("recording x",))
    module = hand_made(["dog", "owl"], pool, [query], **settings)
    query.path.write_bytes(pool[0].path.read_bytes())
    return module


def test_the_same_bytes_under_two_names_are_refused(clips, hand_made):
    with pytest.raises(
        DataError, match=r"dog-0\.wav \(support\) and copy\.wav \(query\): files with the same bytes"
    ):
        alike(clips, hand_made).prepare()


def test_names_alone_leave_bytes_unread(clips, hand_made):
    module = alike(clips, hand_made, leak_guard="names")
    module.prepare()
    assert module.notes == []


def test_one_byte_makes_another_file(clips, hand_made):
    module = alike(clips, hand_made)
    path = module.benchmark.listing.clips[-1].path
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    module.prepare()
    assert len(module.query) == 1


@pytest.mark.parametrize("shared", ["recording", "bytes"])
def test_off_goes_on_and_says_so(clips, hand_made, shared):
    module = alike(clips, hand_made, leak_guard="none")
    if shared == "recording":
        module.benchmark.listing.clips[-1] = replace(
            module.benchmark.listing.clips[-1], groups=module.benchmark.listing.clips[0].groups
        )
    module.prepare()
    assert module.notes == ["the leak guard was off"]
    assert len(module.query) == 1


@pytest.mark.parametrize("guard", ["names", "content"])
def test_names_are_watched_with_and_without_content(clips, hand_made, guard):
    module = alike(clips, hand_made, leak_guard=guard)
    module.benchmark.listing.clips[-1] = replace(
        module.benchmark.listing.clips[-1], groups=module.benchmark.listing.clips[0].groups
    )
    with pytest.raises(DataError, match=r"recording dog-0\b"):
        module.prepare()


def test_a_held_out_clip_may_not_be_asked_about_either(clips, hand_made):
    pool = clips(["dog", "owl"], 2)  # one shot and one held-out clip a class: all of the pool
    query = replace(
        pool[0], id="asked.wav", path=pool[0].path.with_name("asked.wav"), groups=("recording asked",)
    )
    for clip in pool:
        module = hand_made(["dog", "owl"], pool, [replace(query, groups=clip.groups)], heldout_shots=1)
        with pytest.raises(DataError, match=rf"{clip.id} \(support\) and asked\.wav"):
            module.prepare()
