"""Go back to a version that was live before: verify it, restore its spec on a branch, keep the bad one away."""
