"""A person's data file -> a repository with its first spec: what `gitune init` proposes and writes."""
