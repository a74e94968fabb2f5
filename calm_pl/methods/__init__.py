"""Methods: one row each of the results table. Floor 1, without torch; voters are imported on use."""

from calm_pl.methods.table import METHODS, Method, MethodTable, Reads

__all__ = ["METHODS", "Method", "MethodTable", "Reads"]
