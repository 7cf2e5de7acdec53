"""What Vivavoce costs and how quick it is. `python -m benchmarks --help`."""
