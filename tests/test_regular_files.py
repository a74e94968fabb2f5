"""Only regular files are read: a pipe in the place of one is an error, not an endless wait."""

import os

import pytest

from calm_pl.bank.answers import AnswerStore
from calm_pl.bank.journal import read_history
from calm_pl.file_hashes import FileHashes
from calm_pl.models.remembered import PromptMemory
from calm_pl.regular_files import open_regular, read_regular


def test_content_and_a_descriptor(tmp_path):
    (tmp_path / "a").write_bytes(b"content")
    assert read_regular(tmp_path / "a") == b"content"
    os.close(open_regular(tmp_path / "a"))


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file(tmp_path, make):
    make(tmp_path / "a")
    with pytest.raises(OSError, match="it is not a regular file"):
        read_regular(tmp_path / "a")
    with pytest.raises(FileNotFoundError):
        read_regular(tmp_path / "b")


def test_pipes_among_remembered_things_are_passed_over(tmp_path, caplog):
    (tmp_path / "journal").mkdir()
    for name in ("a.jsonl", "journal/a.jsonl", "prompts", "clip.wav"):
        os.mkfifo(tmp_path / name)
    hashes = FileHashes(tmp_path)
    with pytest.raises(OSError, match="not a regular file"):
        hashes.sha256(tmp_path / "clip.wav")
    assert read_history(tmp_path) == ({}, set())
    memory = PromptMemory(tmp_path / "prompts")
    memory.add("question", "prompt")
    assert memory.get("question") == "prompt"
    store = AnswerStore(tmp_path)
    os.mkfifo(tmp_path / "x.answers.jsonl")
    store.refresh()
    assert len(store) == 0
