"""Run a strategy: each trial in a process of its own, everything in one store, continued after any end."""
