"""Tests of studies and trials."""
