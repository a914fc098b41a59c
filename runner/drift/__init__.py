"""What is live against what specs, registry, servers and providers say: every difference a person should know of."""
