"""From recorded results to verdicts: readings, contrasts, statistics, claims and their tables."""
