"""Measure the costs and delays of Vivavoce. `python -m benchmarks --help`."""
