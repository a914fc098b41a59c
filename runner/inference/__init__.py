"""Answers: prompts and a model in, texts out, through the engine that will also serve them."""
