"""Base models, tokenizers, chat templates and adapters: a URI in a spec -> files that training and engines load."""
