"""The command line: one module per verb, each parses, makes one core call, renders, and exits."""
