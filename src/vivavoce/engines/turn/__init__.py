"""Models that score the end of a turn by its audio."""
