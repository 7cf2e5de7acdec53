"""The vocabulary of a recogniser for questions about a congress."""

from __future__ import annotations

from vivavoce_embedded.stt.corpus import corpus

CHUNKS = [
    ("Opening keynote", "The keynote starts at 9:30 on Monday in the main hall."),
    ("Registration", "The registration desk is on the ground floor, next to the entrance."),
    ("Room B", "Room B is on the second floor, past the coffee bar."),
    ("Lunch", "Lunch is served from half past twelve in the restaurant on the ground floor."),
    ("Speakers", "Giovanna Niccolai talks about kubernetes on the 21st."),
]
CORPUS = corpus(CHUNKS, ["Show me the way to room B"])
