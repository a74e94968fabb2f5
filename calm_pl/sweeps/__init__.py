"""Ablation sweeps: many settings of the methods on head vectors from a single pass. Floor 6."""
