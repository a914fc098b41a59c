"""The registry: content-addressed artifacts and append-only facts, the same on disk and in an object store."""
