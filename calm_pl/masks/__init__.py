"""AHAMask: a mask over heads, trained on texts, and what comes of it. Floor 4."""
