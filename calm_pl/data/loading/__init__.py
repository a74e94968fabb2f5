"""From questions to batches: the data module, what the bank already has, samplers over ranks. Floor 2."""
