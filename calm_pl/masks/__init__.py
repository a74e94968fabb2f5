"""AHAMask: train masks over attention heads on clips with answers, and record their results. Floor 6."""
