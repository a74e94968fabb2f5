"""What the README and the pages of docs/ show: blocks, commands, output."""

import re
import shlex
from typing import NamedTuple

from conftest import REPO

PAGES = [REPO / "README.md", REPO / "CONTRIBUTING.md", *sorted(REPO.glob("docs/**/*.md"))]
SHELL = {"sh", "bash", "shell", "console"}
# First words by which a command is known in a block without a language.
PROGRAMS = {"bash", "calm-pl", "make", "mkdocs", "pip", "python", "sbatch", "srun", "torchrun", "wandb"}
_INLINE = re.compile(r"`((?:python launch\.py|make) [^`]+)`")


class Block(NamedTuple):
    """A block of code.

    Attributes:
        page: path below the repository.
        line: number of its first line.
        language: after the fence; empty for an indented block.
        text: its lines, indentation taken away.
    """

    page: str
    line: int
    language: str
    text: str


def blocks(path):
    """Fenced and indented blocks in their order."""
    page = str(path.relative_to(REPO))
    lines = [*path.read_text(encoding="utf-8").splitlines(), ""]
    found, start, n = [], None, 0
    while n < len(lines):
        fence = re.match(r"( *)```+ *(\w*)", lines[n])
        if fence:
            end = next(i for i in range(n + 1, len(lines)) if lines[i].strip() == "```")
            inside = [line.removeprefix(fence[1]) for line in lines[n + 1 : end]]
            found.append(Block(page, n + 2, fence[2], "\n".join(inside)))
            n = end + 1
            continue
        indented = lines[n].startswith("    ")
        if indented and start is None and (n == 0 or not lines[n - 1].strip()):
            start = n
        elif start is not None and not indented:
            found.append(Block(page, start + 1, "", "\n".join(line[4:] for line in lines[start:n])))
            start = None
        n += 1
    return found


def commands(block):
    """Command lines of a block, as words; comments, prompts and redirections left out."""
    found = []
    for line in block.text.replace("\\\n", " ").splitlines():
        first = line.removeprefix("$ ").split(" ")[0]
        if block.language in SHELL or (not block.language and first in PROGRAMS):
            words = shlex.split(line.removeprefix("$ "), comments=True)
            ends = [i for i, word in enumerate(words) if word in (">", "|", "&&")]
            if words:
                found.append(words[: min(ends, default=len(words))])
    return found


def inline_commands(path):
    """Commands within sentences."""
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return [shlex.split(" ".join(found.split())) for found in _INLINE.findall(text)]


_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
_LAST_DIGITS = 30  # how far a shown number may be off, in units of its last digit; whole numbers not at all


def not_printed(shown, printed):
    """The first piece of `shown`, between lines of `...`, that is not in `printed` after the one before.

    Spaces and line ends do not count. Numbers with a point may differ a little: another processor may turn a
    clip or two. None where all is there.
    """
    printed, place = " ".join(printed.split()), 0
    for piece in re.split(r"^\.\.\.$", shown, flags=re.MULTILINE):
        words = " ".join(piece.split())
        pattern = _NUMBER.pattern.join(map(re.escape, _NUMBER.split(words)))
        for match in re.compile(pattern).finditer(printed, place):
            if all(map(_near, _NUMBER.findall(words), _NUMBER.findall(match[0]))):
                place = match.end()
                break
        else:
            return words
    return None


def refreshed(shown, printed):
    """Output with the numbers that were printed, and the pieces of it that were not printed at all.

    A number that is longer than the one before takes the place of spaces, so that columns stay.
    """
    printed, place = " ".join(printed.split()), 0
    new, missing = [], []
    for piece in re.split(r"^(\.\.\.\n?)$", shown, flags=re.MULTILINE):
        words = " ".join(piece.split())
        pattern = _NUMBER.pattern.join(map(re.escape, _NUMBER.split(words)))
        matches = list(re.compile(pattern).finditer(printed, place))
        if words and words != "..." and not matches:
            missing.append(words)
        elif words and words != "...":
            old = _NUMBER.findall(words)
            near = (one for one in matches if all(map(_near, old, _NUMBER.findall(one[0]))))
            match = next(near, matches[0])
            place = match.end()
            piece = _with_numbers(piece, _NUMBER.findall(match[0]))
        new.append(piece)
    return "".join(new), missing


def _with_numbers(piece, numbers):
    rest = iter(numbers)
    return re.sub(rf"( *)({_NUMBER.pattern})", lambda old: _fitted(*old.groups(), next(rest)), piece)


def _fitted(spaces, old, new):
    """A number behind as many spaces as keep its column, at least one if there was one."""
    if not spaces or len(old) == len(new):
        return spaces + new
    return " " * max(1, len(spaces) + len(old) - len(new)) + new


def _near(shown, printed):
    if "." not in shown:
        return shown == printed
    unit = 10.0 ** -len(shown.partition(".")[2])
    return abs(float(shown.replace(",", "")) - float(printed.replace(",", ""))) <= _LAST_DIGITS * unit
