"""`masks`: compare masks over heads, or print a model's answers under one."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from calm_pl.commands.arguments import parser
from calm_pl.errors import ModelError
from calm_pl.progress import Progress

if TYPE_CHECKING:
    from torch import Tensor

    from calm_pl.models.masks import HeadMask

_EXAMPLES = """\
  {program} compare runs/digits/mask.safetensors runs/speaker/mask.safetensors --out masks.svg
  {program} compare a.pt b.pt --layers 32
  {program} answer runs/digits/mask.safetensors clip.wav recordings/
"""


def run(argv: Sequence[str], program: str, debug: bool) -> int:
    """Run the command; see `main`."""
    command = parser(program, "Compare masks over attention heads, or use one.", _EXAMPLES)
    actions = command.add_subparsers(dest="action", required=True, metavar="compare|answer")
    compare = actions.add_parser("compare", help="show the similarity of masks and their heads per layer")
    compare.add_argument("masks", nargs="+", help="mask.safetensors, or checkpoints of the released code")
    compare.add_argument("--layers", type=int, help="layers of the model, for released checkpoints")
    compare.add_argument("--out", metavar="FILE", help="also draw them: .svg, .png or .pdf")
    compare.add_argument("--json", action="store_true", help="print JSON")
    answer = actions.add_parser("answer", help="print the model's answers for audio files under a mask")
    answer.add_argument("mask", help="mask.safetensors, or a checkpoint of the released code")
    answer.add_argument("clips", nargs="+", help="audio files, or folders of them")
    answer.add_argument("--model", metavar="PATH", help="path of the model, if it has moved")
    answer.add_argument("--dtype", default="auto", choices=("auto", "float32", "bfloat16", "float16"))
    answer.add_argument("--question", help="text in the prompt; default: as in training")
    answer.add_argument("--max-new-tokens", type=int, default=32, help="maximum length of an answer")
    answer.add_argument("--batch-size", type=int, default=8, help="clips per forward pass")
    for one in (compare, answer):
        one.add_argument("--debug", action="store_true", help="show the traceback of an error")
    args = command.parse_args(list(argv))
    for mask in args.masks if args.action == "compare" else [args.mask]:
        if not Path(mask).is_file():
            raise ModelError(f"{mask}: cannot be read as a mask: no such file.")
    return _compare(args) if args.action == "compare" else _answer(args)


def _compare(args: argparse.Namespace) -> int:
    from calm_pl.masks.comparison import compare_masks

    names, masks, similarity_MM = compare_masks(args.masks, args.layers)
    if args.json:
        content = {
            "masks": [
                {"name": name, "heads_on": mask.num_on, "by_layer": mask.on_LA.sum(1).tolist()}
                for name, mask in zip(names, masks, strict=True)
            ],
            "jaccard": similarity_MM.tolist(),
        }
        print(json.dumps(content, indent=2))
    else:
        _print_tables(names, masks, similarity_MM)
    if args.out:
        from calm_pl.masks.figure import draw_masks

        draw_masks(names, masks, similarity_MM, Path(args.out))
        print(f"Figure: {args.out}")
    return 0


def _print_tables(names: list[str], masks: list[HeadMask], similarity_MM: Tensor) -> None:
    from calm_pl.report.console import print_matrix

    layers, heads = masks[0].on_LA.shape
    similarity = [
        [name, *(f"{value:.3f}" for value in row)]
        for name, row in zip(names, similarity_MM.tolist(), strict=True)
    ]
    print_matrix("Jaccard similarity of active heads", names, similarity)
    total = layers * heads
    counts = [[str(layer), *(str(int(mask.on_LA[layer].sum())) for mask in masks)] for layer in range(layers)]
    counts.append(["all", *(str(mask.num_on) for mask in masks)])
    counts.append(["share", *(f"{mask.num_on / total:.0%}" for mask in masks)])
    print_matrix(f"Active heads, of {heads} per layer and {total:,} in all", names, counts, "layer")


def _answer(args: argparse.Namespace) -> int:
    from calm_pl.jobs.paths import find_files
    from calm_pl.masks.answering import answers_of, load_masked

    files = list(find_files(args.clips))
    lalm = load_masked(args.mask, args.model, args.dtype)
    assert lalm.mask is not None
    question = lalm.mask.question if args.question is None else args.question
    # On a terminal the answers themselves show how far it is.
    progress = Progress("clips", len(files), "clips", enabled=not sys.stdout.isatty(), brief=True)
    for path, text in answers_of(lalm, files, question, args.max_new_tokens, args.batch_size):
        print(f"{path}\t{text}", flush=True)
        progress.reach(progress.done + 1)
    progress.end()
    return 0
