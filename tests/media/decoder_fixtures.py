"""Decoders for tests, and files that say what their decoder does."""

import pytest
from odd_decoder import OddDecoder

from calm_pl.media import Decoder


@pytest.fixture
def odd():
    with OddDecoder(1.5) as decoder:
        yield decoder


@pytest.fixture
def decoder():
    with Decoder(60) as decoder:
        yield decoder


@pytest.fixture
def file(tmp_path):
    """Write a file that says what its decoder does."""

    def write(deed, name=None):
        path = tmp_path / f"{name or deed}.wav"
        path.write_text(deed)
        return path

    return write
