"""PREPARE: source files -> findings, canonical rows and splits."""
