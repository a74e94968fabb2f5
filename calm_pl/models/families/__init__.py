"""Families of models, one adapter a file, and the table of them. Floor 1."""
