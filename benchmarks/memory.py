"""Compare the estimated memory of activations with the most that PyTorch's tensors take, on a CPU.

    python benchmarks/memory.py > benchmarks/results/memory.json

Qwen2-Audio with random weights, in several shapes. Every tensor that an operation makes is counted from when
it is made until its storage is freed, so that the peak is that of the tensors, whatever an allocator keeps.
"""

import json
import platform
import sys
import time
import weakref
from pathlib import Path

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

sys.path.insert(0, str(Path(__file__).parents[1]))
from calm_pl.models.sizes import activation_bytes, widths_of

SHAPES = (  # layers, hidden, mlp, heads, tower, tower's MLP, tower's layers
    (4, 512, 1408, 8, 256, 1024, 2),
    (4, 1024, 2816, 16, 512, 2048, 2),
    (2, 2048, 5504, 16, 640, 2560, 2),
)
BATCHES = ((1, 5.0), (4, 5.0), (2, 30.0))


class Peak(TorchDispatchMode):
    """Counts the bytes of storages that operations make; see the module."""

    def __init__(self):
        super().__init__()
        self.live = self.most = 0
        self.known = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        """Run an operation and count what it made."""
        result = func(*args, **(kwargs or {}))
        for one in tree_leaves(result):
            if isinstance(one, torch.Tensor):
                storage = one.untyped_storage()
                pointer = storage.data_ptr()
                if pointer and pointer not in self.known and not isinstance(one, torch.nn.Parameter):
                    self.known.add(pointer)
                    self.live += storage.nbytes()
                    self.most = max(self.most, self.live)
                    weakref.finalize(storage, self.gone, pointer, storage.nbytes())
        return result

    def gone(self, pointer, size):
        """Take a freed storage off."""
        self.known.discard(pointer)
        self.live -= size


def model_of(shape, folder):
    """Return a model of a shape with random weights, by way of the tiny one's processor."""
    from transformers import Qwen2AudioConfig, Qwen2AudioForConditionalGeneration

    from calm_pl import FrozenLALM
    from calm_pl.models.tiny import build_tiny

    layers, hidden, mlp, heads, tower, tower_mlp, tower_layers = shape
    build_tiny(folder, window_seconds=30)
    config = Qwen2AudioConfig.from_pretrained(folder)
    for name, value in {
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "intermediate_size": mlp,
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "max_position_embeddings": 4096,
        "layer_types": None,
    }.items():
        setattr(config.text_config, name, value)
    for name, value in {
        "d_model": tower,
        "encoder_ffn_dim": tower_mlp,
        "encoder_layers": tower_layers,
        "encoder_attention_heads": 8,
    }.items():
        setattr(config.audio_config, name, value)
    config.text_config.layer_types = ["full_attention"] * layers
    preparer = FrozenLALM.from_pretrained(str(folder)).preparer
    return FrozenLALM(Qwen2AudioForConditionalGeneration(config), preparer)


def main():
    """Print the record."""
    import tempfile

    rows = []
    for shape in SHAPES:
        with tempfile.TemporaryDirectory() as folder:
            lalm = model_of(shape, Path(folder) / "m")
            for clips, seconds in BATCHES:
                wave = np.random.default_rng(0).standard_normal(int(16_000 * seconds)).astype(np.float32) / 9
                inputs = lalm.preparer(
                    [wave] * clips, ["What caption does the given audio belong to?"] * clips
                )
                lalm(inputs)  # what is made once is not counted
                with Peak() as peak:
                    lalm(inputs)
                tokens = inputs["input_ids"].shape[1]
                estimated = activation_bytes(widths_of(lalm.model.config), clips, seconds, tokens, 4)
                rows.append(
                    {
                        "shape": shape,
                        "clips": clips,
                        "seconds": seconds,
                        "tokens": tokens,
                        "peak": peak.most,
                        "estimated": estimated,
                        "ratio": round(estimated / peak.most, 3),
                    }
                )
                print(rows[-1], file=sys.stderr)
    machine = f"{platform.machine()}, CPU, float32, torch {torch.__version__}"
    print(json.dumps({"machine": machine, "date": time.strftime("%Y-%m-%d"), "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
