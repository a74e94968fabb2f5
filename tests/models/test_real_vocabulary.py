"""Option letters and the ends of prompts on the vocabulary of the released Qwen models.

No model comes with it: it is read from a package that ships it, where one is installed.
"""

import base64
import importlib.util
from pathlib import Path

import pytest

from calm_pl.models.families.qwen2_audio import prepare

SHIPPED = (("dashscope", "resources/qwen.tiktoken"), ("qwen_agent", "utils/qwen.tiktoken"))
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>")


def shipped_file():
    for package, name in SHIPPED:
        found = importlib.util.find_spec(package)  # not imported
        if found is not None:
            return Path(found.origin).parent / name
    return None


FILE = shipped_file()
pytestmark = pytest.mark.skipif(
    FILE is None, reason=f"no package with it is installed ({' or '.join(package for package, _ in SHIPPED)})"
)


@pytest.fixture(scope="module")
def preparer():
    """Qwen2-Audio's, with the real vocabulary and transformers' own chat template."""
    import transformers as t
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    letters = bytes_to_unicode()
    vocabulary = {}
    for line in FILE.read_bytes().splitlines():
        word, rank = line.split()
        vocabulary["".join(letters[one] for one in base64.b64decode(word))] = int(rank)
    first = len(vocabulary)
    assert first == 151_643
    vocabulary |= {token: first + place for place, token in enumerate(SPECIAL)}
    # Whole words are looked up, which is enough for letters and names of roles.
    tokenizer = Tokenizer(models.BPE(vocabulary, [], ignore_merges=True))
    tokenizer.add_special_tokens(list(SPECIAL))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    fast = t.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
    return prepare(t.Qwen2AudioProcessor(t.WhisperFeatureExtractor(feature_size=128), fast))


def test_option_letters_are_single_tokens(preparer):
    assert preparer.option_tokens("A") == [32, 362]  # "A" and " A"
    assert [preparer.option_tokens(letter)[0] for letter in "BCDZ"] == [33, 34, 35, 57]
    assert all(len(preparer.option_tokens(letter)) == 2 for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ")


def test_a_prompt_ends_with_the_opened_answer(preparer):
    ids = preparer.tokenizer(preparer.prompt("Which one? A. dog B. rain"))["input_ids"]
    assert ids[-3:] == [151_644, 77_091, 198]  # <|im_start|>, assistant, a line's end
    assert ids.count(151_646) == 1
    assert preparer.audio_token_id == 151_646
    assert preparer.answer_end() == 151_645
