"""Strategies propose architectures and learn from what became of them. They see spaces, and no torch."""
