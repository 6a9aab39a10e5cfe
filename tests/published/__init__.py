"""Published search spaces, drawn node by node, as oracles for sizes and costs."""
