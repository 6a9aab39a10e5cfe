"""The laws of the design as property tests over generated spaces."""
