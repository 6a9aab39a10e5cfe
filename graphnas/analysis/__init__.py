"""Facts about a graph: shapes of its values, and the objects behind its dotted names."""
