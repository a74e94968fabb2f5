"""Progress: lines in a log, a bar on a terminal of known width."""

import os
import pty
import sys

import pytest

from calm_pl import progress
from calm_pl.progress import Progress


@pytest.fixture
def often(monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)


def test_lines_in_a_log(often, capsys):
    bar = Progress("query", 2_000, "clips")
    bar.reach(500)
    bar.reach(2_000, "7 failed")
    bar.end("7 failed")
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("query: 500 of 2,000 clips, ")
    assert second.startswith("query: 2,000 of 2,000 clips, ")
    assert second.endswith(" s elapsed, 0 s left, 7 failed")


def test_the_last_count_is_said_once(capsys):
    bar = Progress("points", 5, "points")
    bar.reach(5)
    bar.end()
    bar.end()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("points: 5 of 5, ")


def test_work_without_a_known_end(often, capsys):
    assert list(Progress("a.wav", None, "sections").over("ab")) == ["a", "b"]
    assert [line.split(",")[0] for line in capsys.readouterr().err.splitlines()] == [
        *("a.wav: 1 sections", "a.wav: 2 sections"),
    ]


def test_short_work_and_disabled_work_are_silent(capsys):
    assert list(Progress("x", 2, "clips", brief=True).over([1, 2])) == [1, 2]
    assert list(Progress("x", 2, "clips", enabled=False).over([1, 2])) == [1, 2]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("columns", "bar"), [(80, True), (0, False)])
def test_a_terminal_and_one_of_unknown_width(columns, bar, monkeypatch):
    import fcntl
    import struct
    import termios

    reader, writer = pty.openpty()
    fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 24 if columns else 0, columns, 0, 0))
    monkeypatch.delenv("COLUMNS", raising=False)
    with os.fdopen(writer, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        shown = Progress("query", 3, "clips")
        shown.reach(3)
        shown.end()
        terminal.flush()
        text = os.read(reader, 10_000).decode()
    os.close(reader)
    assert ("3/3" in text) == bar
    assert ("query: 3 of 3 clips" in text) != bar


def test_the_terminal_is_restored_where_work_fails(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "100")
    shown = Progress("query", 3, "clips")
    with pytest.raises(ZeroDivisionError):
        list(shown.over(1 / n for n in (1, 0)))
    assert shown._bar is None
