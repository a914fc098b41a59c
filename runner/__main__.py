"""`python -m runner` is `gitune`."""

from runner.cli.main import main

main()
