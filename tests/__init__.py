"""The tests of graphnas."""
