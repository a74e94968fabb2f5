"""`doctor`: check a configuration against data, disk, device and model before hours are spent on it."""

from __future__ import annotations

from collections.abc import Sequence

from calm_pl.commands.arguments import add_config_arguments, add_limit_argument, parser, read_config
from calm_pl.commands.checklist import print_findings
from calm_pl.config.compose import load_config

_EXAMPLES = """\
  {program} --config esc50.yaml data.root=/data/ESC-50
  {program} --config vggvideo.yaml data.root=/data/VGGSound data.shots=5
"""


def run(argv: Sequence[str], program: str, debug: bool) -> int:
    """The command; see `main`. The status is 1 if a check failed."""
    from calm_pl.jobs import checkup
    from calm_pl.jobs.data_checks import TRIED_CLIPS, TRIED_VIDEOS

    command = parser(
        program,
        "Check data, disk, device and model of a configuration before a long run, and say how many clips\n"
        "it will encode, and what memory, disk and time that takes. If the model's files are here, it is\n"
        "loaded to check that it hears clips and that batching does not change results. Nothing is\n"
        "downloaded, and nothing written but hashes of clips in a bank that is already there.",
        _EXAMPLES,
    )
    add_config_arguments(command)
    add_limit_argument(command)
    command.add_argument("--no-model", action="store_true", help="do not load the model")
    command.add_argument(
        "--all-clips",
        action="store_true",
        help=f"decode every clip, not only {TRIED_CLIPS} by chance ({TRIED_VIDEOS} with pictures)",
    )
    args, config = read_config(command, argv, load_config, "--config esc50.yaml")
    if config is None:
        return 0
    checks = checkup.NO_MODEL if args.no_model else checkup.CHECKS
    return print_findings(checkup.examine(config, checks, args.all_clips))
