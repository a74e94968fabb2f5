"""Decoders whose heads cannot be had as one tensor are refused with the reason; geometry of real sizes."""

import json

import pytest
import torch
from conftest import REPO

from calm_pl.errors import ModelError
from calm_pl.models.families.table import FAMILIES, REFUSED, find_family
from calm_pl.models.heads import head_layout

CATALOGUE = json.loads((REPO / "calm_pl" / "models" / "families" / "families.json").read_text())
DEFAULTS = {model_type: row for row in CATALOGUE["families"] for model_type in row["model_types"]}


def default_decoder(model_class):
    """The text decoder of the class's default configuration: shapes without weights."""
    import transformers

    with torch.device("meta"):
        if "Thinker" in model_class.__name__:
            return model_class(model_class.config_class()).get_decoder()
        return transformers.AutoModel.from_config(model_class.config_class().get_text_config())


@pytest.mark.parametrize("model_type", list(FAMILIES))
def test_the_catalogue_says_what_the_classes_have(model_type):
    import transformers

    row, family = DEFAULTS[model_type], find_family(model_type)
    assert row["class"] == family.model_class
    geometry = [row["layers"], row["heads_per_layer"], row["head_dim"]]
    if row["checkpoint"] is None:  # the class's defaults are those of no checkpoint
        assert geometry == [None] * 3
        return
    assert [*head_layout(default_decoder(getattr(transformers, family.model_class)))] == geometry


def test_no_family_of_the_catalogue_is_also_refused():
    assert len(FAMILIES) == sum(len(row["model_types"]) for row in CATALOGUE["families"])
    assert not set(REFUSED) & set(FAMILIES)


def test_the_catalogue_claims_the_version_that_was_measured():
    record = json.loads((REPO / "benchmarks" / "results" / "families.json").read_text())
    assert CATALOGUE["tested_with"] == record["transformers"]
    measured = {row["model_type"]: row for row in record["rows"]}
    for row in CATALOGUE["families"]:
        found = measured[row["model_types"][0]]
        assert [found["class"], found["modalities"]] == [row["class"], row["modalities"]]
        assert max(found["drift_of_batching"], found["drift_of_sdpa"]) < 1e-4


@pytest.mark.parametrize("name", ["Gemma4Config", "Gemma4UnifiedConfig"])
def test_gemma_4_differs_in_head_size(name):
    import transformers

    text = getattr(transformers, name)().get_text_config()
    with torch.device("meta"):
        decoder = transformers.AutoModel.from_config(text)
    with pytest.raises(ModelError, match=r"differ in \(heads, head dimension\): \[\(8, 256\), \(8, 512\)\]"):
        head_layout(decoder)


def test_layers_without_attention():
    import transformers

    config = transformers.NemotronHConfig(vocab_size=32, hidden_size=32, num_attention_heads=2)
    with torch.device("meta"):
        decoder = transformers.AutoModel.from_config(config)
    with pytest.raises(ModelError, match=r"Layer 0 of NemotronHModel has no `self_attn.o_proj`"):
        head_layout(decoder)


def test_a_decoder_without_layers():
    with pytest.raises(ModelError, match="no `layers`"):
        head_layout(torch.nn.Linear(2, 2))
