"""How many processes decode."""

import pytest

from calm_pl.data.loading.loaders import usable_cores, workers_of
from calm_pl.data.settings import DataSettings


@pytest.mark.parametrize(
    ("cores", "ranks", "sound", "pictures"),
    [(2, 1, 2, 2), (4, 1, 3, 3), (16, 1, 4, 8), (64, 8, 4, 7), (8, 8, 2, 2)],
)
def test_by_default_it_is_by_cores_and_by_what_is_decoded(cores, ranks, sound, pictures):
    settings = DataSettings("root")
    assert workers_of(settings, False, ranks, cores) == sound
    assert workers_of(settings, True, ranks, cores) == pictures


@pytest.mark.parametrize("number", [0, 1, 30])
def test_a_configured_number_is_taken(number):
    assert workers_of(DataSettings("root", num_workers=number), True, 8, 2) == number


def test_the_cores_of_this_process_are_counted():
    assert usable_cores() >= 1
