"""Families of models, one adapter per file, and their table. Floor 1."""
