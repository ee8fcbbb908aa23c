"""The version, in one place: the command line, the API and the package (pyproject.toml) have it from here."""

VERSION = "0.2.0"
