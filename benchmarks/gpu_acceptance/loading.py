"""Machine, building, loading, and the self-checks."""

from __future__ import annotations

import importlib.util
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from full_size_models import write
from items import Bench, Item

from calm_pl import FrozenLALM
from calm_pl.errors import ModelError
from calm_pl.jobs.hardware import device_facts
from calm_pl.models.checks import hearing_check, invariance_check


def machine(bench: Bench) -> Iterator[Item]:
    """Device, driver and versions."""
    import transformers

    facts: dict[str, Any] = {**device_facts(), "torch": torch.__version__}
    facts["transformers"] = transformers.__version__
    if bench.on_gpu:
        facts["gpus"] = torch.cuda.device_count()
        facts["gpu_gigabytes"] = round(torch.cuda.get_device_properties(0).total_memory / 1e9, 1)
    yield Item("machine", True, facts)


def load(bench: Bench) -> Iterator[Item]:
    """Random weights of the real configuration, saved under released names and loaded."""
    start = time.perf_counter()
    made = write(bench.family, bench.folder / "model", device=bench.device, small=not bench.full)
    yield Item("built", True, {**made, "seconds": round(time.perf_counter() - start, 1)})
    if bench.on_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    lalm = FrozenLALM.from_pretrained(str(bench.folder / "model"), dtype="bfloat16")
    read = time.perf_counter() - start
    bench.lalm = lalm.to(bench.device)
    bench.synchronize()
    measured = {
        "seconds": round(read, 1),
        "seconds_to_device": round(time.perf_counter() - start - read, 1),
        "host_peak_gigabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
    }
    good = lalm.model.dtype == torch.bfloat16
    if bench.on_gpu:
        measured["gpu_peak_gigabytes"] = round(torch.cuda.max_memory_allocated() / 1e9, 2)
        good &= measured["gpu_peak_gigabytes"] < 1.1 * made["gigabytes"] + 1
    yield Item("loaded", good, measured)


def self_checks(bench: Bench) -> Iterator[Item]:
    """Hearing and batching, by attention and by scale of the decoder's weights."""
    lalm = bench.model
    weights = [one for one in lalm.decoder.parameters() if one.dim() >= 2]
    for attention in ("sdpa", "eager", "flash_attention_2"):
        if attention.startswith("flash") and (
            not bench.on_gpu or importlib.util.find_spec("flash_attn") is None
        ):
            yield Item(f"self-check, {attention}", None, None, "not installed, or no GPU")
            continue
        lalm.model.set_attn_implementation(attention)
        for scale in (1, 2, 4) if bench.full else (1, 4):
            _scale(weights, scale)
            try:
                yield _self_check(lalm, f"self-check, {attention}, weights x{scale}")
            finally:
                _scale(weights, 1 / scale)  # powers of two: exact
    lalm.model.set_attn_implementation("sdpa")


@torch.no_grad()
def _scale(weights: list[torch.nn.Parameter], factor: float) -> None:
    for one in weights:
        one.mul_(factor)


def _self_check(lalm: FrozenLALM, name: str) -> Item:
    try:
        hearing, batching = hearing_check(lalm), invariance_check(lalm)
    except ModelError as error:
        return Item(name, False, None, str(error))
    measured = {"silence_change": hearing.silence_change, "swap_change": hearing.swap_change}
    return Item(name, True, measured | batching._asdict())


def faults_are_caught(bench: Bench) -> Iterator[Item]:
    """A mask that is ignored must still be told from rounding."""
    lalm = bench.model
    own = lalm.preparer

    class Unmasked:
        def __getattr__(self, name: str) -> Any:
            return getattr(own, name)

        def __call__(self, *args: Any) -> dict[str, torch.Tensor]:
            inputs = own(*args)
            return inputs | {"attention_mask": torch.ones_like(inputs["attention_mask"])}

    lalm.preparer = Unmasked()  # type: ignore[assignment]
    try:
        report = invariance_check(lalm)
        yield Item("an ignored mask is caught", False, report._asdict())
    except ModelError as error:
        yield Item("an ignored mask is caught", True, None, str(error).split(":")[0])
    finally:
        lalm.preparer = own


def float32(bench: Bench) -> Iterator[Item]:
    """The bundled model in float32, on the device and on the CPU."""
    from calm_pl.models.checks import QUESTIONS, sample_clips

    small = FrozenLALM.from_pretrained("bundled:tiny_lalm", dtype="float32")
    inputs = small.preparer(sample_clips(small.preparer), QUESTIONS)
    expected = small(inputs).vectors_NHD.double()
    there = small.to(bench.device)({name: one.to(bench.device) for name, one in inputs.items()})
    change = float((there.vectors_NHD.double().cpu() - expected).norm() / expected.norm())
    yield Item("float32 on the device and on the CPU", change < 1e-3, {"relative_difference": change})


def free_space(folder: Path) -> float:
    """Return free gigabytes."""
    import shutil

    return shutil.disk_usage(folder).free / 1e9
