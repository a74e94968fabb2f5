"""What every rank of `rank_processes` has imported when it begins."""

import named_sets
import torch
import transformers  # noqa: F401

import calm_pl.commands.bank
import calm_pl.commands.fit_free
import calm_pl.commands.fit_mask
import calm_pl.commands.job
import calm_pl.commands.table
import calm_pl.mask_training
import calm_pl.module
import calm_pl.sweeps.module  # noqa: F401

torch.set_num_threads(1)
named_sets.register()
