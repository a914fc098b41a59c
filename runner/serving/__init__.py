"""Deployed versions -> an OpenAI-compatible HTTP server that follows the deployment log (`gitune serve`)."""
