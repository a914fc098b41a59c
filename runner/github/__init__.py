"""GitHub: events in, comments, checks, releases and issues out. Everything it says is decided in the packages below."""
