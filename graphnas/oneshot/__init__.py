"""Training one supernet."""
