"""Compare runs by numbers: settings, matching, statistics and verdicts."""
