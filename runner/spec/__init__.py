"""SPEC: YAML files of the repository -> frozen objects, with every error at its line."""
