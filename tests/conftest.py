"""Settings for every test."""

import os

from hypothesis import settings

from runner.models.cores import wait_politely

# Before any test imports torch or xllamacpp.
wait_politely()

# These machines are shared: how long one example takes says nothing about the code.
settings.register_profile("gitune", deadline=None)
settings.load_profile("gitune")

# A test says itself when it plays a job; our own CI is one, and what is printed there differs by a line.
os.environ.pop("GITHUB_ACTIONS", None)
