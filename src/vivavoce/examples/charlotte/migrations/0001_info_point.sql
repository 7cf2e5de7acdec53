-- The bookings of the congress. A code is six digits, as a person says it.
CREATE TABLE bookings (
    code TEXT PRIMARY KEY CHECK (length(code) = 6 AND code NOT GLOB '*[^0-9]*'),
    first_name TEXT NOT NULL,
    last_name TEXT NOT NULL,
    ticket TEXT NOT NULL CHECK (ticket IN ('day', 'congress', 'speaker')),
    checked_in_at TEXT
) STRICT;

-- Wrong codes, by call: nobody may guess for long.
CREATE TABLE wrong_codes (
    call_id TEXT PRIMARY KEY,
    times INTEGER NOT NULL
) STRICT;

-- What staff want everybody to know, until they withdraw it.
CREATE TABLE announcements (
    number INTEGER PRIMARY KEY,
    text TEXT NOT NULL,
    made_at TEXT NOT NULL,
    withdrawn_at TEXT
) STRICT;
