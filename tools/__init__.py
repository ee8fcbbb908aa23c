"""Helpers of the Makefile. Those that set-up needs use the standard library only."""
