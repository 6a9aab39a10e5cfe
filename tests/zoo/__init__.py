"""Published networks: traced and built again, each computes what it computed, or says why it cannot. `make zoo`."""
