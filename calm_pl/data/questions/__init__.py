"""Clips and the questions asked about them: prompts, support draws, rounds, the leak guard. Floor 2."""
