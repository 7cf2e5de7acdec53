"""The recogniser that needs no download."""
