"""Where steps run. `local` runs them in this process; other places come as modules beside it."""
