"""Voices: espeak-ng in a process of its own, a command line, an HTTP endpoint, tones."""
