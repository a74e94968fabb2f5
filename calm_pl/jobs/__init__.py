"""From a configuration to an opened job: run folder, data, model, bank, trainer, signals. Floor 4."""
