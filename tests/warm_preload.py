"""What every process of `warm_processes` has imported, and once done, when it begins."""

# ruff: noqa: F401  - imported for the processes to come
import io

import named_sets
import numpy as np
import safetensors.torch
import soundfile
import soxr
import torch
import torch.distributed.checkpoint
import torch.distributed.elastic
import torchaudio
import torchvision.transforms.v2
import transformers
from transformers.models.auto import processing_auto
from transformers.models.qwen2_audio import modeling_qwen2_audio, processing_qwen2_audio

import callbacks.figures
import callbacks.predictions
import callbacks.progress
import callbacks.pseudo_labels
import callbacks.report
import callbacks.run_record
import callbacks.wandb_tables
import calm_pl.commands.bank
import calm_pl.commands.fit_free
import calm_pl.commands.fit_mask
import calm_pl.commands.predict
import calm_pl.commands.sweep
import calm_pl.commands.train
import calm_pl.data.benchmarks.esc50
import calm_pl.evaluation.module
import calm_pl.figures.folder
import calm_pl.figures.run_files
import calm_pl.jobs.opened
import calm_pl.jobs.parts
import calm_pl.jobs.stages
import calm_pl.jobs.trainer
import calm_pl.masks.job
import calm_pl.masks.module
import calm_pl.models.families.qwen2_audio
import calm_pl.report
import calm_pl.report.terminal
import calm_pl.sweeps.job
import calm_pl.sweeps.module
from calm_pl.figures import confusion_figure
from calm_pl.models.tiny import build_tiny

torch.set_num_threads(1)
named_sets.register()
for kind in ("svg", "pdf", "png"):  # loads fonts
    confusion_figure(np.eye(3), ["a", "b", "c"]).savefig(io.BytesIO(), format=kind)
