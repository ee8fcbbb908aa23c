"""Measurements with their targets: every module here with `rows()` is run by `python -m benchmarks`."""
