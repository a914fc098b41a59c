"""REPORT: what was planned, measured and decided -> text for people: terminals, pull requests, machines."""
