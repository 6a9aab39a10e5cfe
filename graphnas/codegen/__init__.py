"""From a graph to source, and from source to a network."""
