"""What `ringside` does, one file a noun. api.cli reads the arguments and calls these."""
