"""Training: canonical rows in, a tested adapter and its loss curve out, wherever that happens."""
