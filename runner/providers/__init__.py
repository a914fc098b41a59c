"""Clients of what answers elsewhere: a named endpoint -> its answers."""
