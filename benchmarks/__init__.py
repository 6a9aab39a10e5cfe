"""Where every figure that a document claims comes from: `python -m benchmarks --list`."""
