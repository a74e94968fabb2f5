"""Trains the second bundled model, whose attention heads were given no aim of their own.

``python -m plain_lalm.train --out DIR`` puts a decoder of random weights behind the tower of `tiny_lalm` and
trains it on the answers to many kinds of questions about synthetic clips. It shares corpus, augmentation and
layers with `tiny_lalm`.
"""
