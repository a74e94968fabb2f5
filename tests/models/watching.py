"""What enters every o_proj of a text decoder, whole, by hooks that keep everything."""

from contextlib import contextmanager


@contextmanager
def o_proj_inputs(model):
    """Yields a list that a forward pass fills, (N, T, A·D) a layer."""
    kept = []
    handles = [
        layer.self_attn.o_proj.register_forward_pre_hook(lambda module, args: kept.append(args[0]))
        for layer in model.get_decoder().layers
    ]
    try:
        yield kept
    finally:
        for handle in handles:
            handle.remove()
