"""A preparer from memory says what the model's own says, and loads that only for what is not remembered."""

import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch
from conftest import REPO, outside

from calm_pl.models.deferred import DeferredLALM, LoadArguments
from calm_pl.models.remembered import PromptMemory, RememberedPreparer, SoundFormat

QUESTIONS = ["What is it?", "  Leading and\ntrailing\n ", "", "猫の声? \u2028 {braces} %s", "a" * 50_000]


@pytest.fixture
def remembered(lalm, tmp_path):
    """A remembered preparer, and how often it loaded the model's own."""
    loads = []

    def load():
        loads.append(1)
        return lalm.preparer

    sound, described = SoundFormat.of(lalm.preparer), lalm.preparer.describe()

    def make():
        return RememberedPreparer(sound, described, PromptMemory(tmp_path / "prompts"), load)

    return make, loads


def test_what_is_remembered_loads_nothing_and_is_the_same(lalm, remembered):
    make, loads = remembered
    own = lalm.preparer
    first = make()
    assert [first.prompt(question) for question in QUESTIONS] == [own.prompt(one) for one in QUESTIONS]
    assert loads == [1]
    again = make()
    assert [again.prompt(question) for question in QUESTIONS] == [own.prompt(one) for one in QUESTIONS]
    assert (again.sample_rate, again.max_seconds) == (own.sample_rate, own.max_seconds)
    assert (again.modalities, again.describe()) == (own.modalities, own.describe())
    assert loads == [1]


def test_everything_else_is_the_models_own(lalm, remembered):
    again, own = remembered[0](), lalm.preparer
    wave = np.zeros(8_000, dtype=np.float32)
    for name, value in own([wave], ["What?"]).items():
        assert torch.equal(again([wave], ["What?"])[name], value)
    assert again.option_tokens("A") == own.option_tokens("A")
    assert again.audio_tokens(8_000) == own.audio_tokens(8_000)
    assert again.answer_end() == own.answer_end()
    assert (again.tokenizer, again.audio_token_id) == (own.tokenizer, own.audio_token_id)
    assert remembered[1] == [1]


def test_lines_that_are_cut_or_mixed_up_are_passed_over(tmp_path):
    path = tmp_path / "prompts"
    memory = PromptMemory(path)
    for n in range(3):
        memory.add(f"question {n}", f"prompt {n}")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1].replace(b"prompt 1", b"prompt 9") + b"nonsense\n\n" + lines[2][:-5])
    again = PromptMemory(path)
    assert [again.get(f"question {n}") for n in range(3)] == ["prompt 0", None, None]


def test_a_folder_that_cannot_be_written_ends_nothing(tmp_path):
    memory = PromptMemory(tmp_path / "gone" / "prompts")
    memory.add("question", "prompt")
    assert memory.get("question") == "prompt"


def test_threads_and_files_of_several_writers(tmp_path):
    memories = [PromptMemory(tmp_path / "prompts") for _ in range(2)]
    threads = [
        threading.Thread(target=lambda n=n: [memories[n % 2].add(f"{n} {k}", f"p{n} {k}") for k in range(50)])
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = PromptMemory(tmp_path / "prompts")
    assert all(found.get(f"{n} {k}") == f"p{n} {k}" for n in range(4) for k in range(50))


def test_it_can_be_sent_to_another_process(tiny_folder, tmp_path):
    arguments = LoadArguments(str(tiny_folder))
    DeferredLALM(arguments, tmp_path).preparer.prompt("What?")
    sent = pickle.loads(pickle.dumps(DeferredLALM(arguments, tmp_path).preparer))  # noqa: S301  - made here
    assert sent.prompt("What?").count("What?") == 1
    assert sent.option_tokens("A")


def test_a_remembered_model_needs_no_transformers(tiny_folder, tmp_path):
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from calm_pl.models.deferred import DeferredLALM, LoadArguments\n"
        "lalm = DeferredLALM(LoadArguments(sys.argv[1]), Path(sys.argv[2]))\n"
        "print(len(lalm.preparer.prompt('What?')), 'transformers' in sys.modules)"
    )
    prompt = DeferredLALM(LoadArguments(str(tiny_folder)), tmp_path).preparer.prompt("What?")
    command = [sys.executable, "-c", code, str(tiny_folder), str(tmp_path)]
    done = subprocess.run(command, cwd=REPO, env=outside(), capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(len(prompt)), "False"]
