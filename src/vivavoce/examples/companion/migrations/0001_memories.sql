-- Users are named by the operator's own words for them (`user` of a client secret).

CREATE TABLE memories (
    id INTEGER PRIMARY KEY,
    user TEXT NOT NULL,
    text TEXT NOT NULL,
    words TEXT NOT NULL, -- of the text, without capitals and accents: the same is kept once
    at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    UNIQUE (user, words)
);

