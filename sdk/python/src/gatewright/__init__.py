"""Gatewright for Python: credentials checked at tools, and fetched and narrowed by agents."""
