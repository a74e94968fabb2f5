"""What every process of `warm_processes` has imported when it begins."""

# ruff: noqa: F401  - imported for the processes to come

import named_sets
import torch
import transformers

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
import calm_pl.commands.job
import calm_pl.commands.predict
import calm_pl.commands.sweep
import calm_pl.commands.table
import calm_pl.figures.folder
import calm_pl.mask_training
import calm_pl.module
import calm_pl.report
import calm_pl.sweeps.module
from calm_pl.models.tiny import build_tiny

torch.set_num_threads(1)
named_sets.register()
