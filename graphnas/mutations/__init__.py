"""Rules that turn a network into a search space: each maps a graph to a graph and can explain itself."""
