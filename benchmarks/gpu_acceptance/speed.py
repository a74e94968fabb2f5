"""Clips per second by length and batch, beside the bare model; what one pass launches; what workers cost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from items import Bench, Item
from torch.utils._python_dispatch import TorchDispatchMode

from calm_pl.bank import ContentIndex, HeadBank, Records
from calm_pl.data.benchmarks.esc50 import ESC50
from calm_pl.data.loading.banked import BankLink
from calm_pl.data.loading.base import FewShotDataModule
from calm_pl.data.settings import DataSettings
from calm_pl.evaluation.encoding import Encoder

QUESTION = "What caption does the given audio belong to? A. dog B. rain C. siren D. wind"
MOST_LOST = 0.1


def rates(bench: Bench) -> Iterator[Item]:
    """Batches of equal clips: ours, the bare model's forward on its full window, and one clip at a time."""
    lalm = bench.model
    for seconds in (5, 10, 30) if bench.full else (1,):
        alone = None
        for batch in (1, 8, 32, 64) if bench.full else (1, 2):
            inputs, full = _inputs(bench, seconds, batch)
            repeats = 3 if bench.full else 1
            ours = _rate(bench, lambda inputs=inputs: lalm(inputs), batch, repeats)
            alone = alone or ours
            bare = _rate(bench, lambda full=full: lalm.model(**full).logits[:, -1], batch, repeats)
            measured: dict[str, Any] = {"clips_per_second": ours, "bare": bare, "one_by_one": alone}
            if ours is None:
                yield Item(f"{batch} clips of {seconds} s", None, measured, "does not fit into memory")
                continue
            slower = bench.on_gpu and bare is not None and ours < 0.95 * bare
            measured |= _launches(bench, inputs)
            yield Item(f"{batch} clips of {seconds} s", not slower, measured, "slower than bare" * slower)


def _inputs(bench: Bench, seconds: int, batch: int) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    rng = np.random.default_rng(0)
    preparer = bench.model.preparer
    waves = [0.1 * rng.standard_normal(seconds * 16_000).astype(np.float32) for _ in range(batch)]
    ours = preparer(waves, [QUESTION] * batch)
    text = [preparer.prompt(QUESTION)] * batch
    full = preparer.processor(text=text, audio=waves, sampling_rate=16_000, return_tensors="pt", padding=True)
    full["input_features"] = full["input_features"].to(bench.model.model.dtype)
    return tuple({name: one.to(bench.device) for name, one in some.items()} for some in (ours, full))


@torch.inference_mode()
def _rate(bench: Bench, work: Callable[[], object], batch: int, repeats: int) -> float | None:
    """Return clips per second, the best of some passes after one; None where memory runs out."""
    try:
        best = float("inf")
        for turn in range(repeats + 1):
            bench.synchronize()
            start = time.perf_counter()
            work()
            bench.synchronize()
            if turn:
                best = min(best, time.perf_counter() - start)
        return batch / best
    except torch.OutOfMemoryError:
        torch.cuda.empty_cache()
        return None


class _Counted(TorchDispatchMode):
    """Count operators."""

    def __init__(self) -> None:
        super().__init__()
        self.operators = 0

    def __torch_dispatch__(self, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.operators += 1
        return op(*args, **(kwargs or {}))


def _launches(bench: Bench, inputs: dict[str, torch.Tensor]) -> dict[str, int]:
    """Return kernels, waits for the GPU and copies of a pass; operators on a CPU."""
    if not bench.on_gpu:
        with _Counted() as counted:
            bench.model(inputs)
        return {"operators": counted.operators}
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as found:
        bench.model(inputs)
        bench.synchronize()
    names = [event.name for event in found.events()]
    return {
        "kernels": sum(name == "cudaLaunchKernel" or name == "cuLaunchKernel" for name in names),
        "waits": sum("Synchronize" in name for name in names),
        "copies": sum(name.startswith("cudaMemcpy") for name in names),
    }


def overlap(bench: Bench) -> Iterator[Item]:
    """Real clips, decoded by workers: the share of the time in which the model waits for them."""
    for banked in (False, True):
        for workers in (0, 2, 8) if bench.full else (0, 1):
            total, busy, clips = _encoded(bench, workers, banked)
            lost = 1 - busy / total
            measured = {"clips_per_second": clips / total, "lost": lost}
            fair = workers >= 2 and bench.on_gpu  # the CPU's own cores decode and compute
            why = f"the model waits more than {MOST_LOST:.0%} of the time" * (fair and lost > MOST_LOST)
            name = f"{workers} workers, bank {'on' if banked else 'off'}"
            yield Item(name, lost <= MOST_LOST if fair else None, measured, why)


def _encoded(bench: Bench, workers: int, banked: bool) -> tuple[float, float, int]:
    """Return seconds, those of them in which the model is busy, and clips."""
    lalm = bench.model
    batch = 32 if bench.full else 4
    settings = DataSettings("bundled:esc10", shots=12 if bench.full else 1, num_workers=workers)
    settings.batch_size = batch
    data = FewShotDataModule(ESC50(settings), lalm.preparer)
    data.prepare()
    if banked:
        folder = bench.folder / f"bank{workers}"
        data.bank = BankLink(HeadBank(folder), ContentIndex(folder / "content"), lalm.identity())
    encode, busy, clips = Encoder(lalm, data.bank), 0.0, 0
    loader = data.val_dataloader()
    run = lalm.forward

    def timed(inputs: dict[str, torch.Tensor]) -> Any:
        nonlocal busy
        start = time.perf_counter()
        output = run(inputs)
        bench.synchronize()
        busy += time.perf_counter() - start
        return output

    lalm.forward = timed  # type: ignore[method-assign]
    try:
        start = time.perf_counter()
        for some in loader:
            there = some.to(torch.device(bench.device))
            encode(there, data.loaders["support"].remake)
            clips += len(there.index_N)
        return time.perf_counter() - start, busy, clips
    finally:
        del lalm.forward
        if data.bank is not None:
            data.bank.bank.close()


def writing(bench: Bench) -> Iterator[Item]:
    """What the main thread waits for the bank per batch, with and without the bank's thread; same records."""
    layout, batches, size = bench.model.layout, 40 if bench.full else 4, 8
    x_NHD = torch.randn(size, layout.num_heads, layout.head_dim, device=bench.device).to(torch.bfloat16)
    waited: dict[str, float] = {}
    stored = []
    for name, append in (("append", HeadBank.append), ("append_later", HeadBank.append_later)):
        with HeadBank(bench.folder / name) as bank:
            seconds = []
            for batch in range(batches):
                keys = [f"{batch * size + row:064x}" for row in range(size)]
                records = Records(keys, x_NHD + batch, torch.zeros(size, 4), [{}] * size)
                bench.synchronize()
                start = time.perf_counter()
                append(bank, records)
                seconds.append(time.perf_counter() - start)
                time.sleep(0.1)  # a GPU encodes the next batch
            waited[f"{name}_mean_ms"] = 1e3 * sum(seconds) / batches
            waited[f"{name}_worst_ms"] = 1e3 * max(seconds)
            stored.append(bank.read([f"{n:064x}" for n in range(batches * size)]).vectors_NHD)
    same = torch.equal(*stored)
    slower = bench.on_gpu and waited["append_later_mean_ms"] > waited["append_mean_ms"]
    why = "other vectors" * (not same) + "the thread saves nothing" * slower
    yield Item("the bank's thread", same and not slower, waited, why)


def batch_sizes(bench: Bench) -> Iterator[Item]:
    """The batch size that is chosen by memory fits, and how far its estimate is off."""
    from calm_pl.config.compose import load_config
    from calm_pl.data.loading.loaders import Ahead
    from calm_pl.jobs.batch_size import batch_size_for, clip_cost, weights_of
    from calm_pl.jobs.parts import build_data

    lalm, device = bench.model, torch.device(bench.device)
    where = (f"model.path={bench.folder / 'model'}", "model.dtype=bfloat16", "data.shots=1")
    config = load_config(["demo.yaml"], [*where, "wandb.mode=disabled"])
    data, weights = build_data(config), weights_of(config.model, bench.on_gpu)
    assert weights is not None
    for seconds in (5, 10, 30) if bench.full else (1,):
        clips = batch_size_for(config, data, lalm.preparer, Ahead(1_000, seconds, device, 1))
        cost = clip_cost(config, data, lalm.preparer, weights, seconds)
        assert cost is not None
        inputs, _ = _inputs(bench, seconds, clips)
        measured: dict[str, Any] = {"clips": clips, "estimated_gigabytes": cost.activations(clips) / 1e9}
        if bench.on_gpu:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
        fits = _rate(bench, lambda inputs=inputs: lalm(inputs), clips, 1) is not None
        if bench.on_gpu:
            measured["peak_gigabytes"] = (torch.cuda.max_memory_allocated() - before) / 1e9
        why = "does not fit into memory" * (not fits)
        yield Item(f"data.batch_size=auto at {seconds} s", fits, measured, why)


def memory_runs_out(bench: Bench) -> Iterator[Item]:
    """A batch that does not fit is halved, and gives what smaller batches give."""
    from calm_pl.evaluation.encoding import encode

    lalm = bench.model
    data = FewShotDataModule(
        ESC50(DataSettings("bundled:esc10", shots=2 if bench.full else 1, num_workers=0)), lalm.preparer
    )
    data.settings.batch_size, most = (16, 8) if bench.full else (4, 2)
    data.prepare()
    batch = next(iter(data.val_dataloader())).to(torch.device(bench.device))
    remake = data.loaders["support"].remake
    expected = encode(lalm, remake(batch.index_N.tolist(), most // 2).to(batch.index_N.device))
    data.loaders["support"].max_rows[0] = 2 * most
    run = lalm.forward

    def small(inputs: dict[str, torch.Tensor]) -> Any:
        if len(inputs["input_ids"]) > most:
            raise torch.OutOfMemoryError("pretended")
        return run(inputs)

    lalm.forward = small  # type: ignore[method-assign]
    try:
        found = Encoder(lalm)(batch, remake)
    finally:
        del lalm.forward
    change = float((found.vectors_NHD - expected.vectors_NHD).norm() / expected.vectors_NHD.norm())
    yield Item("out of memory: the batch is halved", change < 0.05, {"relative_difference": change})
    if bench.on_gpu:
        yield _really_out_of_memory(bench, data, expected.vectors_NHD)


def _really_out_of_memory(bench: Bench, data: FewShotDataModule, expected_NHD: torch.Tensor) -> Item:
    """The same with memory that is really taken."""
    lalm = bench.model
    batch = next(iter(data.val_dataloader())).to(torch.device("cuda"))
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    lalm(batch.passes[0].inputs)
    needed = torch.cuda.max_memory_allocated() - before
    torch.cuda.empty_cache()
    free = torch.cuda.mem_get_info()[0]
    blocker = torch.empty(max(1, int(free - 0.6 * needed)), dtype=torch.uint8, device="cuda")
    try:
        found = Encoder(lalm)(batch, data.loaders["support"].remake)
    finally:
        del blocker
        torch.cuda.empty_cache()
    change = float((found.vectors_NHD - expected_NHD).norm() / expected_NHD.norm())
    measured = {"relative_difference": change, "needed_gigabytes": needed / 1e9}
    return Item("out of memory, really", change < 0.05, measured)
