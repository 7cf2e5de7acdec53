"""Models that judge from the sound whether somebody who falls silent is done."""
