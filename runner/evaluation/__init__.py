"""SCORE, GATE: (rows, answers) -> scores; (gates, scores) -> verdicts. Pure: reads no file, runs no model."""
