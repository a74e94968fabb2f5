"""Pseudo-labels: the frozen model labels the support, and voters are fitted on these labels. Floor 3."""
