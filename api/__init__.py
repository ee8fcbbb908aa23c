"""The roof: HTTP API, command line, processes and their wiring. Imports every package of ours; none imports it."""
