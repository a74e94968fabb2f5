"""AHAMask: training of masks over heads on clips and texts, and their results. Floor 4."""
