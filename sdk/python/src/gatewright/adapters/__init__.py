"""Gatewright in other people's frameworks. Each module imports its framework when it is used."""
