"""Methods: what each row of a user's table is. Floor 1, without torch; voters are imported on use."""

from calm_pl.methods.table import METHODS, Method, MethodTable, Reads

__all__ = ["METHODS", "Method", "MethodTable", "Reads"]
