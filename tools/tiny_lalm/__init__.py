"""Trains the tiny audio language model that is bundled with ``calm_pl``.

``python -m tiny_lalm.train --out DIR`` makes its own training sounds and speech, trains in three
phases and saves a Hugging Face folder. Nothing here is imported by ``calm_pl`` itself.
"""
