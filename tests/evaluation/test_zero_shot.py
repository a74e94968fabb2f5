"""How the model chooses among options: by letter, by text, in words, over several orders."""

import json
import math
from pathlib import Path

import pytest
import torch

from calm_pl.data.loading.batches import ModelPass
from calm_pl.data.questions.clips import Clip
from calm_pl.data.questions.prompts import Questioner
from calm_pl.evaluation.zero_shot import class_probabilities, mean_over_orders, option_scores, turned_options
from calm_pl.metrics import MethodMetrics, MetricSizes
from calm_pl.models import LalmOutput

SHOWN = ("dog", "rain", "siren")
OPTIONS = torch.tensor([[2, 0, 1], [1, 2, -1]])
NEVER = -math.inf


class Speaker:
    """Stands for a model that says what it is told to."""

    def __init__(self, texts):
        self.texts = texts
        self.asked = []

    def generate(self, inputs, max_new_tokens):
        return self.texts

    def option_text_scores(self, inputs, options):
        self.asked += options
        return torch.tensor([[-float(len(text)) for text in row] for row in options])


def scores(mode, texts=()):
    nothing = LalmOutput(torch.zeros(2, 1, 1), torch.zeros(2, 5), torch.zeros(2, 1))
    one = ModelPass({}, torch.arange(2))
    return option_scores(Speaker(list(texts)), mode, one, nothing, OPTIONS, SHOWN)


def test_generated_answers_are_parsed_and_failures_choose_nothing():
    said = scores("generate", ["B", "I cannot tell."])
    assert said.tolist() == [[NEVER, 0, NEVER], [NEVER, NEVER, NEVER]]
    p_NC = class_probabilities(said, OPTIONS, 3)
    assert p_NC.tolist() == [[1, 0, 0], [0, 0, 0]]  # B is the dog


def test_an_option_that_is_not_there_cannot_be_named():
    assert scores("generate", ["C", "C"])[1].tolist() == [NEVER] * 3


def test_texts_are_scored_and_missing_options_masked():
    assert scores("text").tolist() == [[-5, -3, -4], [-4, -5, NEVER]]


def test_orders_are_put_back_before_they_are_averaged():
    options = torch.tensor([[7, 8, 9]])
    assert turned_options(options, 1).tolist() == [[8, 9, 7]]
    # Each order is sure of class 8, wherever it stands.
    first, second = torch.tensor([[0.0, 50.0, 0.0]]), torch.tensor([[50.0, 0.0, 0.0]])
    p = mean_over_orders([first, second]).exp()
    torch.testing.assert_close(p, torch.tensor([[0.0, 1.0, 0.0]]))
    # One order always says A: over all orders that is no preference.
    always_a = torch.tensor([[50.0, 0.0, 0.0]])
    torch.testing.assert_close(mean_over_orders([always_a] * 3).exp(), torch.full((1, 3), 1 / 3))


def test_turned_questions_move_the_options_on():
    clip = Clip("dog-0.wav", Path("dog-0.wav"), ("dog",), ())
    query = Questioner(SHOWN, "Which?", 3, seed=0, orders=3).ask(clip, "dog")
    texts = [query.question, *query.turned]
    for turn, text in enumerate(texts):
        turned = turned_options(torch.tensor([query.options]), turn)[0].tolist()
        wanted = " ".join(f"{letter}. {SHOWN[c]}" for letter, c in zip("ABC", turned, strict=True))
        assert text == f"Which? {wanted}"
    assert len(set(texts)) == 3


def test_no_answer_is_wrong_but_nobodys_false_positive():
    metrics = MethodMetrics(MetricSizes(2, 4, 4, may_abstain=True))
    # Truth 0 0 1 1, said 0, nothing, 1, 1: F1 of class 0 is 2/3, of class 1 it is 1.
    said, truth = torch.tensor([0, 2, 1, 1]), torch.tensor([0, 0, 1, 1])
    metrics.update(said, torch.zeros(4, 2), truth, torch.arange(4), torch.arange(4))
    result = metrics.result()
    assert result.values["accuracy"] == 0.75
    assert result.values["macro_f1"] == pytest.approx((2 / 3 + 1) / 2, abs=1e-6)
    assert result.confusion_CC.tolist() == [[1, 0, 1], [0, 2, 0]]


@pytest.mark.parametrize("mode", ["text", "generate"])
def test_as_a_command(call, small_job, tmp_path, mode):
    job = [*small_job, f"zero_shot={mode}", "methods=[zero_shot,calm]", "wandb.mode=disabled"]
    assert call("fit-free", *job).returncode == 0
    entry = json.loads((tmp_path / "run" / "results.json").read_text())["methods"]["zero_shot"]
    assert entry["answered_by"] == mode
    assert 0 <= entry["parse_failure_rate"] <= 1
    again = call("fit-free", *job)
    assert again.returncode == 0
    assert "9 cached" in again.stderr
    same = json.loads((tmp_path / "run" / "results.json").read_text())["methods"]["zero_shot"]
    assert same == entry


def test_orders_as_a_command(call, small_job, tmp_path):
    job = [*small_job, "data.option_orders=3", "methods=[zero_shot]", "wandb.mode=disabled"]
    assert call("fit-free", *job).returncode == 0
    refused = call("fit-free", *small_job, "data.option_orders=4", "run.dir=other")
    assert refused.returncode == 1
    assert "data.option_orders is 4, but 3 options have only 3 turns" in refused.stderr
