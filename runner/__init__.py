"""Gitune: fine-tune language models by pull request."""

__version__ = "0.1.0"
