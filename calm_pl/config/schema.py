"""The schema of a configuration: sections, settings, defaults, rules."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Optional

from omegaconf import MISSING

from calm_pl.data import benchmark_names
from calm_pl.data.questions.prompts import ZERO_SHOT_MODES
from calm_pl.data.settings import DataSettings
from calm_pl.methods import METHODS
from calm_pl.models import clap_facts
from calm_pl.pseudo.settings import PseudoSettings
from calm_pl.validation import Rule, above_zero, as_in, at_least, one_of, setting
from calm_pl.voters.settings import CalmSettings, SavSettings

PRIOR_METHOD = "calm_auto_zero_shot"  # as in calm_pl.evaluation.prior, which needs torch
TRANSDUCTIVE_METHOD = "gda_transductive"  # as in calm_pl.evaluation.transductive
_CALLBACKS = (
    "progress",
    "run_record",
    "predictions",
    "figures",
    "report",
    "wandb_tables",
    "pseudo_labels",
)


@dataclass
class ModelConfig:
    """The frozen model."""

    path: str = setting(MISSING, is_path=True)
    """Local folder, Hugging Face id, or `bundled:NAME`."""
    revision: Optional[str] = None
    """Branch, tag or commit of a Hugging Face id."""
    dtype: str = setting("auto", one_of("auto", "float32", "bfloat16", "float16"))
    """`auto` is the checkpoint's dtype on a GPU, float32 on a CPU."""
    attn: str = setting("sdpa", one_of("sdpa", "eager", "flash_attention_2"))
    """Attention implementation."""
    self_check: bool = True
    """Check before the first batch that the model hears its clips and that batching does not change
    results."""
    last_n_tokens: int = setting(1, at_least(1))
    """Number of last prompt tokens whose head vectors are averaged."""
    device_map: Optional[str] = None
    """`auto` spreads a model that is too large for one GPU over several (one process per model); null keeps a
    complete copy per process."""
    quantization: Optional[str] = setting(None, one_of("8bit", "4bit"))
    """Quantise the weights with bitsandbytes; null does not."""
    trust_remote_code: bool = False
    """Allow the checkpoint to run its own code."""
    offline: bool = False
    """Make no network request for the model: it is a local folder or already downloaded."""
    mask: Optional[str] = setting(None, is_path=True)
    """Mask over heads: mask.safetensors from fit-mask, or a checkpoint of the released AHAMask code; null
    leaves all heads on."""
    system_prompt: Optional[str] = setting(None, Rule("a text, or null", lambda text: bool(text.strip())))
    """Text of a system turn before every question; null leaves it to the model's chat template."""
    clap_template: str = setting(clap_facts.TEMPLATE, Rule(clap_facts.NEED, clap_facts.is_template))
    """Sentence about a class that a CLAP model compares clips with; other models do not read it."""


@dataclass
class DataConfig(DataSettings):
    """The benchmark, its support set and its query set."""

    benchmark: str = setting(
        MISSING,
        Rule(
            f"one of {', '.join(benchmark_names())}",
            lambda name: name in benchmark_names(),
            benchmark_names(),
        ),
    )
    """Which data set; `list benchmarks` describes them."""
    support_labels: str = setting("truth", one_of("truth", "pseudo"))
    """`pseudo` also fits every voter on labels that the model assigned to the support itself; see
    `pseudo`."""


@dataclass
class VoterConfig(CalmSettings):
    """Parameters of CALM and CALM-Global, and the heads that SAVs keep."""

    sav_top_k: Optional[int] = as_in(SavSettings, "top_k")
    select: str = setting(CalmSettings.select, one_of("none", "loo", "oracle"))
    """`loo` selects `tau_p`, `tau_w`, `top_k`, `weight_map` and `shrinkage` on the support clips. `oracle`
    also adds rows with settings selected on the query set itself: an upper bound, not a result."""


def _are_devices(devices: Any) -> bool:
    if isinstance(devices, list):
        whole = all(isinstance(one, int) and not isinstance(one, bool) and one >= 0 for one in devices)
        return whole and 0 < len(set(devices)) == len(devices)
    if isinstance(devices, str):
        return devices == "auto" or re.fullmatch(r"(\d+,)+\d*", devices, re.ASCII) is not None
    return isinstance(devices, int) and not isinstance(devices, bool) and devices > 0


_DEVICES = Rule("auto, a whole number above 0, or a list of GPUs such as [0,1]", _are_devices)


def _starts_once(strategy: str) -> bool:
    # Ranks started anew for the query would have lost what was fitted on the support.
    return not any(word in strategy for word in ("spawn", "fork", "notebook"))


@dataclass
class TrainerConfig:
    """Lightning's own arguments: `accelerator`, `devices`, `num_nodes`, `strategy`, `enable_progress_bar`."""

    accelerator: str = "auto"
    devices: Any = field(default="auto", metadata={"rule": _DEVICES})
    num_nodes: int = setting(1, at_least(1))
    strategy: str = setting(
        "auto", Rule("one that starts each rank once (ddp), not once per stage", _starts_once)
    )
    enable_progress_bar: bool = True


@dataclass
class RunConfig:
    """Where results are written."""

    dir: Optional[str] = setting(None, is_path=True)
    """The run folder; null is `runs/<name>`."""
    name: Optional[str] = None
    """Name of the run; null builds it from benchmark, model and the configuration's hash."""
    refit: bool = False
    """Store a classifier fitted on the support of all folds and draws, not of the first alone; the results
    stay those of held-out clips."""
    overwrite: bool = False
    """Replace the results of another configuration in `dir`."""


@dataclass
class BankConfig:
    """Where head vectors are cached, so that a second run with other voters or shots needs no model."""

    dir: Optional[str] = setting("runs/.bank", is_path=True)
    """Folder; several jobs may share one. null disables the bank."""
    dtype: Optional[str] = setting(None, one_of("float16", "bfloat16"))
    """Dtype for rounding head vectors, also in the run that fills the bank; null keeps the model's."""


@dataclass
class ReportConfig:
    """`report.html`."""

    audio: bool = False
    """Embed audio clips, to listen to errors. Off by default, since recordings may be private or licensed and
    a page is easily shared; `report RUN --audio` embeds them later."""
    clips_per_class: int = setting(3, at_least(1))
    """Clips per class, the worst first."""
    max_megabytes: float = setting(4.0, above_zero())
    """Total size of the embedded clips."""


_WANDB_TAGS = Rule("tags of 1 to 64 characters each", lambda tags: all(1 <= len(tag) <= 64 for tag in tags))
_WANDB_NAME = Rule("a name of 1 to 128 characters", lambda name: 1 <= len(name) <= 128)


@dataclass
class WandbConfig:
    """Weights & Biases; one run per job, from rank 0.

    With `mode` offline, runs are written to the run folder, to be synced later; `project` and `tags` are
    W&B's.
    """

    mode: Optional[str] = setting(None, one_of("online", "offline", "disabled"))
    """null uses W&B's own setting (`WANDB_MODE`, `WANDB_DISABLED`, `wandb offline`), else `offline`."""
    entity: Optional[str] = None
    """User or team; null is the account's default."""
    project: Optional[str] = setting(
        None,
        Rule(
            "a name of 1 to 128 characters without / \\ # ? % :",
            lambda name: re.fullmatch(r"[^/\\#?%:]{1,128}", name) is not None,
        ),
    )
    """null uses W&B's own setting (`WANDB_PROJECT`), else `calm_pl`."""
    group: Optional[str] = setting(None, _WANDB_NAME)
    """Runs that belong together, such as those of an ablation; null uses `WANDB_RUN_GROUP`, else benchmark,
    model and shots."""
    name: Optional[str] = setting(None, _WANDB_NAME)
    """null uses `WANDB_NAME`, else the name of the run folder."""
    tags: list[str] = field(default_factory=list, metadata={"rule": _WANDB_TAGS})
    """Tags besides benchmark, model and shots."""
    audio_clips: int = setting(0, at_least(0))
    """Number of audio clips in the table `test/listen`, the worst first; 0 by default, since they leave the
    machine."""
    classifier: bool = True
    """Upload the classifier as an artifact."""


@dataclass
class Config:
    """A whole job."""

    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    voter: VoterConfig = field(default_factory=VoterConfig)
    pseudo: PseudoSettings = field(default_factory=PseudoSettings)
    methods: list[str] = field(default_factory=lambda: [row.key for row in METHODS if row.by_default])
    """Methods to evaluate, the rows of the table."""
    zero_shot: str = setting("letters", one_of(*ZERO_SHOT_MODES))
    """How zero-shot chooses: the likeliest option letter, the likeliest option text, or generated words."""
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    bank: BankConfig = field(default_factory=BankConfig)
    run: RunConfig = field(default_factory=RunConfig)
    report: ReportConfig = field(default_factory=ReportConfig)
    wandb: WandbConfig = field(default_factory=WandbConfig)
    callbacks: list[str] = field(default_factory=lambda: list(_CALLBACKS))
    """The progress bar, and what writes each output file."""
    plugins: list[str] = field(default_factory=list)
    """Your own Python files that add methods; their code is run."""
