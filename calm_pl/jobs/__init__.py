"""Open a job from a configuration: run folder, data, model, bank, trainer, signals. Floor 5."""
