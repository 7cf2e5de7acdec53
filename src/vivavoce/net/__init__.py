"""Outgoing HTTP: the only room that makes any."""
