"""Where steps run. `local`: on this machine, a child process for each heavy one; other places come beside it."""
