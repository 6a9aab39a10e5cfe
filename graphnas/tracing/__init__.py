"""From a PyTorch module to a graph, by running it once and recording what it does."""
