"""A GPU that is not there: tensors that say they are on `cuda:0`, with their numbers on the CPU.

Tensors of two devices in one operation are refused, as CUDA refuses them, so that a whole job shows where
something was left on the wrong device. Gradients go back node by node, without PyTorch's engine: it asks the
driver for its context first, and there is none.
"""

from collections import defaultdict
from contextlib import contextmanager
from types import SimpleNamespace

import torch
from torch.utils._python_dispatch import TorchDispatchMode

GPU = torch.device("cuda", 0)
MEMORY = 80 * 2**30
_ATEN = torch.ops.aten
_MOVES = (_ATEN._to_copy.default, _ATEN.copy_.default)
# Their indices may be on the CPU.
_INDEXED = (
    _ATEN.index.Tensor,
    _ATEN.index_put.default,
    _ATEN.index_put_.default,
    _ATEN._index_put_impl_.default,
)


class OnGpu(torch.Tensor):
    """A tensor that says it is on the GPU."""

    @staticmethod
    def __new__(cls, numbers):
        return torch.Tensor._make_wrapper_subclass(
            cls,
            numbers.size(),
            strides=numbers.stride(),
            storage_offset=numbers.storage_offset(),
            dtype=numbers.dtype,
            device=GPU,
        )

    def __init__(self, numbers):
        self.numbers = numbers

    def __repr__(self):
        return f"OnGpu({self.numbers})"

    def tolist(self):
        return self.numbers.tolist()

    def __deepcopy__(self, memo):
        return OnGpu(self.numbers.clone())

    @classmethod
    def __torch_dispatch__(cls, op, types, args=(), kwargs=None):
        return run(op, args, kwargs or {})


class _EveryOperation(TorchDispatchMode):
    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        return run(op, args, kwargs or {})


def run(op, args, kwargs):
    """Run an operation on the numbers; its result is where CUDA would leave it."""
    tensors = list(_tensors((*args, *kwargs.values())))
    on_gpu = any(isinstance(one, OnGpu) for one in tensors)
    asked = kwargs.get("device")
    if asked is None and not on_gpu:
        return op(*args, **kwargs)
    if on_gpu and op not in _MOVES:
        for one in _bound_to_one_device(op, args, tensors):
            if not isinstance(one, OnGpu):
                raise RuntimeError(f"Expected all tensors on the same device, but {op} got cuda:0 and cpu.")
    if op is _ATEN._fused_sdp_choice.default:
        return 0  # plain matrix products
    if asked is not None:
        on_gpu = torch.device(asked).type == "cuda"
        kwargs = {**kwargs, "device": torch.device("cpu")}
    first = _each(_bare, args[0]) if args else None
    if op is _ATEN.histc.default:  # the CPU has it for floats alone
        return _moved(op(first.to(torch.float64), *args[1:], **kwargs).to(first.dtype))
    rest = {name: _each(_bare, one) for name, one in kwargs.items()}
    result = op(first, *_each(_bare, args[1:]), **rest) if args else op(**rest)
    if result is first and isinstance(first, torch.Tensor):
        if op is not _ATEN._to_copy.default:
            return args[0]  # in place
        result = result.clone()
    return _each(_moved, result) if on_gpu else result


def _tensors(values):
    for one in values:
        if isinstance(one, torch.Tensor):
            yield one
        elif isinstance(one, (list, tuple)):
            yield from _tensors(one)


def _each(change, value):
    if isinstance(value, (list, tuple)):
        return type(value)(_each(change, one) for one in value)
    return change(value)


def _bare(one):
    return one.numbers if isinstance(one, OnGpu) else one


def _moved(one):
    return OnGpu(one) if isinstance(one, torch.Tensor) else one


def _bound_to_one_device(op, args, tensors):
    """Those that must be on one device: single numbers, and indices, may be on the CPU."""
    indices = {id(one) for one in args[1]} if op in _INDEXED else set()
    return [one for one in tensors if one.dim() > 0 and id(one) not in indices]


def _nodes_of(start):
    """All nodes of a graph, with how many others lead to each."""
    waiting, seen, left = defaultdict(int), set(), [start]
    while left:
        node = left.pop()
        if node not in seen:
            seen.add(node)
            for other, _ in node.next_functions:
                if other is not None:
                    waiting[other] += 1
                    left.append(other)
    return waiting


def _backward(loss, *_, **more):
    """`torch.autograd.backward` of one number, without the engine."""
    (loss,) = [loss] if isinstance(loss, torch.Tensor) else loss
    waiting = _nodes_of(loss.grad_fn)
    gradients = {loss.grad_fn: {0: torch.ones_like(loss)}}
    ready = [loss.grad_fn]
    with torch.no_grad():
        while ready:
            node = ready.pop()
            got = gradients.pop(node, {})
            if hasattr(node, "variable"):  # a leaf
                held = node.variable.grad
                node.variable.grad = got[0].clone() if held is None else held + got[0]
                continue
            found = node(*(got.get(place) for place in range(len(node._input_metadata))))
            found = found if isinstance(found, tuple) else (found,)
            for (other, place), gradient in zip(node.next_functions, found, strict=True):
                if other is None:
                    continue
                if gradient is not None:
                    as_made = other._input_metadata[place]
                    gradient = gradient.sum_to_size(as_made.shape).to(as_made.dtype)  # as the engine does
                    known = gradients.setdefault(other, {})
                    known[place] = known[place] + gradient if place in known else gradient
                waiting[other] -= 1
                if not waiting[other]:
                    ready.append(other)


def _tensor(data, *, device=None, make=torch.tensor, **more):
    """`torch.tensor`, which would look for the GPU itself where a list holds tensors of it."""
    made = make(_each(_bare, data), **more)
    return made if device is None else made.to(device)


@contextmanager
def pretended_gpu(monkeypatch):
    """Let PyTorch and Lightning find the GPU."""
    torch._C._ensureCUDADeviceGuardSet()
    answers = {
        "_lazy_init": None,
        "is_available": True,
        "device_count": 1,
        "current_device": 0,
        "set_device": None,
        "empty_cache": None,
        "is_initialized": True,
        "get_device_name": "Pretended GPU",
        "get_device_capability": (9, 0),
        "get_device_properties": SimpleNamespace(total_memory=MEMORY),
        "mem_get_info": (MEMORY, MEMORY),
        "memory_reserved": 0,
        "memory_allocated": 0,
        "is_current_stream_capturing": False,
    }
    for name, answer in answers.items():
        monkeypatch.setattr(torch.cuda, name, lambda *args, answer=answer, **more: answer)
    monkeypatch.setattr(torch.backends.cudnn, "enabled", False)  # its operators have no numbers on the CPU
    # Tensors of inference cannot be such a class.
    monkeypatch.setattr(torch._C, "_InferenceMode", lambda mode: torch.set_grad_enabled(not mode))
    monkeypatch.setattr(torch, "tensor", _tensor)
    monkeypatch.setattr(torch.autograd, "backward", _backward)
    torch._C._set_only_lift_cpu_tensors(True)  # lists become tensors on the CPU before they are moved
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    try:
        with _EveryOperation():
            yield GPU
    finally:
        torch._C._set_only_lift_cpu_tensors(False)
        torch.__future__.set_overwrite_module_params_on_conversion(False)
