-- Users are named by the operator's own words for them (`user` of a client secret).

CREATE TABLE exercises (
    id TEXT PRIMARY KEY,
    language TEXT NOT NULL,
    level INTEGER NOT NULL CHECK (level BETWEEN 1 AND 3),
    title TEXT NOT NULL,
    text TEXT NOT NULL,
    question TEXT NOT NULL,
    answers TEXT NOT NULL -- right answers, separated by bars; each is words that must all be said
);

CREATE TABLE students (
    student TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    class TEXT NOT NULL
);

CREATE TABLE teachers (
    teacher TEXT NOT NULL,
    class TEXT NOT NULL,
    PRIMARY KEY (teacher, class)
);

CREATE TABLE families (
    family TEXT NOT NULL,
    student TEXT NOT NULL REFERENCES students (student) ON DELETE CASCADE,
    PRIMARY KEY (family, student)
);

-- The exercise that a student has not answered yet.
CREATE TABLE given (
    student TEXT PRIMARY KEY,
    exercise TEXT NOT NULL REFERENCES exercises (id)
);

-- What a child said is not kept, only whether it was right.
CREATE TABLE results (
    id INTEGER PRIMARY KEY,
    student TEXT NOT NULL,
    exercise TEXT NOT NULL REFERENCES exercises (id),
    correct INTEGER NOT NULL CHECK (correct IN (0, 1)),
    at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE INDEX results_by_student ON results (student, exercise);
