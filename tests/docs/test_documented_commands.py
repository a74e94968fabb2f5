"""Every command that the README and docs/ show is understood by the program it is for."""

import re
import shlex
import shutil
import subprocess
import tomllib

import pytest
from conftest import REPO
from documents import PAGES, Block, blocks, commands, inline_commands

from calm_pl.commands.main import COMMANDS, main
from docs_pages.commands import actions, command_parser

# What stands for something of the reader's.
SUBSTITUTES = {
    "data.root=...": "data.root=/data",
    "--config X.yaml": "--config esc50.yaml",
    "--config mine.yaml": "--config demo.yaml",
    "launch.py COMMAND": "launch.py list models",
    "<name>": "x",
    "HOST": "localhost",
}
NOT_CHECKED = {
    "python launch.py fit-free --config demo.yaml data.shot=5": "is wrong on purpose; the tutorial is run",
    "python launch.py fit-free --config demo.yaml --plugins": "run by test_foreign_method.py",
    "python launch.py predict --plugins": "likewise",
}
"""Commands by how they begin, each with the reason why no test here can say whether it is right."""


def shown():
    for path in PAGES:
        page = str(path.relative_to(REPO))
        found = [words for block in blocks(path) for words in commands(block)] + inline_commands(path)
        yield from (pytest.param(words, id=f"{page}: {shlex.join(words)}") for words in found)
    for name in COMMANDS:
        parsers = [command_parser(name), *(parser for _, parser in actions(command_parser(name)))]
        for line in "\n".join(parser.epilog or "" for parser in parsers).splitlines():
            if line.startswith("  python launch.py"):
                (words,) = commands(Block("", 0, "sh", line))
                yield pytest.param(words, id=f"{name} --help: {shlex.join(words)}")


@pytest.mark.parametrize("words", list(shown()))
def test_a_shown_command_is_understood(words, capsys, monkeypatch):
    text = shlex.join(words)
    if any(text.startswith(known) for known in NOT_CHECKED):
        return
    for placeholder, real in SUBSTITUTES.items():
        text = text.replace(placeholder, real)
    text = re.sub(r"\btrain \S+", "train docs", text)  # the reader's folder
    monkeypatch.chdir(REPO)
    understand(shlex.split(text))


def understand(words):
    """Raise or exit where a command line is wrong."""
    match words:
        case ["python", "launch.py", name, *rest] | ["calm-pl", name, *rest]:
            understand_command(name, rest)
        case ["torchrun", *rest]:
            from torch.distributed.run import get_args_parser

            args = get_args_parser().parse_args(rest)
            understand(["python", args.training_script, *args.training_script_args])
        case ["sbatch", script, *rest]:
            subprocess.run(["bash", "-n", script], check=True)
            understand_command("fit-free", rest)
        case ["make", *rest]:
            if shutil.which("make") is None:
                pytest.skip("make is not installed")
            subprocess.run(["make", "--dry-run", *rest], check=True, capture_output=True)
        case ["bash", script]:
            subprocess.run(["bash", "-n", script], check=True)
        case ["pip", "install", *wanted]:
            extras = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]["optional-dependencies"]
            for one in (one for one in wanted if one != "."):
                assert set(re.fullmatch(r"calm_pl\[(.+)\]", one)[1].split(",")) <= set(extras)
        case _:
            pytest.fail("no way to check this command: teach `understand`, or name it in NOT_CHECKED")


def understand_command(name, rest):
    """A configuration is composed and checked; other command lines are parsed."""
    assert name in COMMANDS
    parser = command_parser(name)
    if "--help" in rest:
        with pytest.raises(SystemExit, match=r"^0$"):
            parser.parse_args(rest)
    elif "--print-config" in parser.format_help():
        assert main([name, *rest, "--print-config"]) == 0
    elif dict(actions(parser)):
        parser.parse_args(rest)
    else:
        parser.parse_intermixed_args(rest)


@pytest.mark.parametrize(
    "line",
    [
        "python launch.py fit-fre --config demo.yaml",
        "python launch.py fit-free --config demo.yaml data.shot=5",
        "python launch.py fit-free --config nosuch.yaml",
        "python launch.py bank prune runs/.bank --olderr 3d",
        "python launch.py predict clip.wav",
        "torchrun --nproc 8 launch.py fit-free --config demo.yaml voter.tau_p=0",
        "make dmeo",
        "pip install 'calm_pl[nosuch]'",
        "curl https://example.org",
    ],
)
def test_a_wrong_command_is_noticed(line, capsys):
    with pytest.raises((SystemExit, AssertionError, subprocess.CalledProcessError, pytest.fail.Exception)):
        understand(shlex.split(line))


def test_the_readme_names_the_two_commands_that_do_all():
    shown = [words for block in blocks(REPO / "README.md") for words in commands(block)]
    assert [words for words in shown if words[0] == "make"] == [["make", "demo"], ["make", "test"]]


def test_commands_are_found(tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    page.write_text(
        "Run `make demo`\nor\n\n    python launch.py list models  # all\n    a/layout.wav\n\n"
        "- a list\n    python of no block\n\n"
        "```sh\n$ torchrun --x \\\n    launch.py a > out\nls\n```\n\n```text\npython launch.py output\n```\n"
    )
    monkeypatch.setattr("documents.REPO", tmp_path)
    found = [words for block in blocks(page) for words in commands(block)] + inline_commands(page)
    assert found == [
        ["python", "launch.py", "list", "models"],
        ["torchrun", "--x", "launch.py", "a"],
        ["ls"],
        ["make", "demo"],
    ]
