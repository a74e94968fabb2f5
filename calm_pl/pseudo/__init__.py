"""Pseudo-labels: the frozen model labels the support itself, and voters are fitted on that. Floor 3."""
