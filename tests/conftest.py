"""Settings for every test."""

from hypothesis import settings

# These machines are shared: how long one example takes says nothing about the code.
settings.register_profile("gitune", deadline=None)
settings.load_profile("gitune")
