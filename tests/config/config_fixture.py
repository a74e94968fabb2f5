"""A file of configuration for a test."""

import pytest


@pytest.fixture
def write(tmp_path):
    """A YAML file; its path as text."""

    def write(text: str, name: str = "my.yaml") -> str:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write
