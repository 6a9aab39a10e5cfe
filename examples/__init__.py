"""Whole uses of graphnas, small enough to read and to run."""
