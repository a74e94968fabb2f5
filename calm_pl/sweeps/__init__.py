"""Ablation sweeps: many settings of the methods on the head vectors of one pass. Floor 4."""
