"""From questions to batches: the data module, what the bank already holds, samplers over ranks. Floor 2."""
