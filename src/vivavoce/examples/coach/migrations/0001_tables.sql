-- A player as everybody knows him. `shipped`: he came with the coach, and a reset keeps him.
CREATE TABLE players (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL CHECK (length(name) BETWEEN 2 AND 80),
    key TEXT NOT NULL UNIQUE, -- the name without capitals and accents
    position TEXT NOT NULL,
    rating INTEGER NOT NULL CHECK (rating BETWEEN 1 AND 120),
    shipped INTEGER NOT NULL DEFAULT 0
) STRICT;

-- A player as one user plays him. Several builds of one player are possible.
CREATE TABLE builds (
    id INTEGER PRIMARY KEY,
    player_id INTEGER NOT NULL REFERENCES players ON DELETE CASCADE,
    owner TEXT NOT NULL, -- the user in the operator's own words, or empty
    position TEXT NOT NULL,
    rating INTEGER NOT NULL CHECK (rating BETWEEN 1 AND 120),
    UNIQUE (player_id, owner, position, rating)
) STRICT;

CREATE TABLE squads (
    id INTEGER PRIMARY KEY,
    owner TEXT NOT NULL,
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 60),
    key TEXT NOT NULL,
    UNIQUE (owner, key)
) STRICT;

CREATE TABLE squad_builds (
    squad_id INTEGER NOT NULL REFERENCES squads ON DELETE CASCADE,
    build_id INTEGER NOT NULL REFERENCES builds ON DELETE CASCADE,
    place INTEGER NOT NULL,
    PRIMARY KEY (squad_id, build_id)
) STRICT;
