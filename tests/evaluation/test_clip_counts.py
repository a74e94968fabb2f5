"""What becomes of clips that cannot be read: the policy, the counts, and what is told."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from calm_pl.data.loading.batches import Batch, Failure
from calm_pl.data.questions.clips import Clip, Query
from calm_pl.data.questions.counting import clip_ids, counted, unit
from calm_pl.errors import BadClipError, DataError, RunError
from calm_pl.evaluation.clip_counts import Account, Coverage, Odd, SkipPolicy

CPU = torch.device("cpu")


def batch(read, failed=()) -> Batch:
    failures = [Failure(i, f"{i}.wav: is broken.") for i in failed]
    index = torch.tensor(list(read), dtype=torch.int64)
    return Batch(index, index, index[:, None], failures=failures)


def about(*clips):
    """A question about each clip."""
    return tuple(Query(Clip(name, Path(name), ("a",), ()), 0, f"{n}?", ()) for n, name in enumerate(clips))


def account(expected, fraction=None) -> Account:
    policy = SkipPolicy() if fraction is None else SkipPolicy(True, fraction)
    return Account(about(*map(str, range(expected))), policy)


def test_counts_add_up():
    counted = account(6)
    counted.add(batch([3, 4, 5]))
    whole, cut = {"was_cut": False, "odd": []}, {"was_cut": True, "odd": []}
    counted.add_notes([3, 4, 5], [{"was_cut": True, "odd": ["silent", "short"]}, cut, whole])
    counted.add(batch([]))
    counted.add_notes([], [])
    counted.add(batch([0, 1, 2]))
    unjudged = {"was_cut": True}  # as an earlier version cached it
    counted.add_notes([0, 1, 2], [whole, unjudged, {"was_cut": False, "odd": ["too_loud"]}])
    odd = [Odd(2, ("too_loud",)), Odd(3, ("silent", "short"))]
    assert counted.over_ranks(CPU) == Coverage(6, [], [1, 3, 4], odd, [1])


def test_batches_without_notes_are_counted_too():
    counted = account(2)
    counted.add(batch([0, 1]))
    counted.add_notes([0, 1], [])
    assert counted.over_ranks(CPU) == Coverage(2, [], [], [], [])


def test_the_first_failure_stops_and_names_the_file():
    with pytest.raises(BadClipError, match=r"^4\.wav: is broken\. \(data\.on_bad_clip=skip continues"):
        account(6).add(batch([0], failed=[4, 5]))


def test_skipped_clips_are_listed_in_the_order_of_the_data_set():
    counted = account(6, 0.5)
    counted.add(batch([0, 1], failed=[5]))
    counted.add(batch([3], failed=[2, 4]))
    coverage = counted.over_ranks(CPU)
    assert coverage.used == 3
    assert [failure.position for failure in coverage.failures] == [2, 4, 5]


@pytest.mark.parametrize(("failed", "fraction", "stops"), [(1, 0.1, False), (2, 0.1, True), (1, 0.0, True)])
def test_the_share_that_may_fail(failed, fraction, stops):
    counted = account(10, fraction)
    bad = batch(range(failed, 10), failed=range(failed))
    if stops:
        with pytest.raises(DataError, match=rf"{failed} of 10 .*max_skipped_fraction={fraction:g} .*0\.wav"):
            counted.add(bad)
    else:
        counted.add(bad)
        assert len(counted.over_ranks(CPU).failures) == failed


def test_failures_of_several_batches_are_counted_together():
    counted = account(10, 0.1)
    counted.add(batch([0, 1], failed=[2]))
    with pytest.raises(DataError, match="2 of 10"):
        counted.add(batch([3], failed=[4]))


@pytest.mark.parametrize("read", [[0, 1], [0, 1, 2, 2]])
def test_a_clip_that_never_came_or_came_twice_is_noticed(read):
    counted = account(3, 1.0)
    counted.add(batch(read))
    with pytest.raises(RunError, match=rf"{len(read)} questions were answered .* the split has 3"):
        counted.over_ranks(CPU)


@pytest.mark.parametrize("given", [[1, 2], [2, 1]])
def test_ranks_judge_the_share_together(monkeypatch, given):
    # Each rank alone is below the bound of 0.3 of 10; together they are above it.
    def both(failures):
        return failures + [Failure(one.position + 5, one.reason) for one in failures]

    monkeypatch.setattr("calm_pl.evaluation.clip_counts.concatenate_over_ranks", both)
    counted = account(10, 0.3)
    counted.add(batch([0, 3, 4], failed=given))
    with pytest.raises(DataError, match="4 of 10"):
        counted.over_ranks(CPU)


def test_a_clip_that_is_asked_twice_is_one_clip():
    twice = about("a", "a", "b", "c", "c", "c")
    assert (unit(twice), unit(twice[1:3])) == ("questions", "clips")
    assert counted(twice, "query") == "6 questions about 3 query clips"
    assert counted(twice[1:4], "query") == "3 query clips"
    assert clip_ids(twice, [0, 1]) == {"a"}
    some = Account(twice, SkipPolicy(True, 0.3))
    with pytest.raises(DataError, match=r"^1 of 3 clips could not be read"):  # a third, not a half
        some.add(batch([0, 1, 2], failed=[3, 4, 5]))


def test_results_and_notes_count_clips():
    from calm_pl.evaluation.results import clip_counts

    support, query = about("a", "a", "b", "x"), about("b", "c", "c", "d", "d")
    broken = [Failure(3, "d"), Failure(4, "d")]
    module = SimpleNamespace(
        task=SimpleNamespace(support=support, query=query),
        support_coverage=Coverage(3, [Failure(3, "x")], [0, 1, 2], [], []),
        query_coverage=Coverage(3, broken, [0, 1, 2], [], []),
    )
    expected = {"n_support_clips": 2, "n_query_clips": 2, "n_skipped_clips": 2, "n_cut": 3}
    assert clip_counts(module) == expected
