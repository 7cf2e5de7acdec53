"""The tools of the reading mentor. Each of them decides by `call.user` and `call.role`.

The role says what somebody may ask for, and the tables say whose results it is. Both come from the
client secret, never from what people or models say. So no caller talks their way into the results
of another child.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from vivavoce import Call, tool
from vivavoce.api import EngineError

SOLVED_TO_RISE = 2  # exercises of a level that one solves before one reads at the next

ASK = {
    "en": "What is your answer?",
    "es": "¿Cuál es tu respuesta?",
    "it": "Qual è la tua risposta?",
}

AFTER = {"en": ["answer is"], "es": ["respuesta es"], "it": ["risposta è"]}

WORDS = {
    "en": {
        "only_student": "Only students can do that.",
        "only_teacher": "Only teachers can hear how a class is doing.",
        "only_family": "Only families can hear how their child is doing.",
        "unknown": "I don't know who you are, so I keep no results.",
        "no_exercise": "There is no exercise of this level.",
        "none_given": "No exercise is waiting for an answer. Ask me for the next one.",
        "right": "That is right, well done! Ask me for the next exercise.",
        "wrong": "Not quite. Listen once more.",
        "nothing": "You have no results yet. Ask me for an exercise.",
        "mine": "So far you have solved {solved}, answered {tries}, and read at level {level}.",
        "child": "{name} has solved {solved}, answered {tries}, and reads at level {level}.",
        "idle": "{name} has not answered an exercise yet.",
        "no_class": "I find no class of yours with this name.",
        "no_child": "I find no child of yours with this name.",
    },
    "es": {
        "only_student": "Eso es solo para estudiantes.",
        "only_teacher": "Solo los docentes pueden saber cómo va una clase.",
        "only_family": "Solo las familias pueden saber cómo va su hija o su hijo.",
        "unknown": "No sé quién eres, así que no guardo resultados.",
        "no_exercise": "No hay ejercicios de este nivel.",
        "none_given": "Ningún ejercicio espera respuesta. Pídeme el siguiente.",
        "right": "¡Correcto, muy bien! Pídeme el siguiente ejercicio.",
        "wrong": "Casi. Escucha otra vez.",
        "nothing": "Todavía no tienes resultados. Pídeme un ejercicio.",
        "mine": "Hasta ahora: resueltos {solved}, respuestas {tries}, nivel de lectura {level}.",
        "child": "{name}: resueltos {solved}, respuestas {tries}, nivel de lectura {level}.",
        "idle": "{name} aún no ha respondido ningún ejercicio.",
        "no_class": "No encuentro ninguna clase tuya con ese nombre.",
        "no_child": "No encuentro a nadie con ese nombre entre tus hijos.",
    },
    "it": {
        "only_student": "Questo è solo per gli studenti.",
        "only_teacher": "Solo gli insegnanti possono sapere come va una classe.",
        "only_family": "Solo le famiglie possono sapere come va la loro figlia o il loro figlio.",
        "unknown": "Non so chi sei, quindi non conservo risultati.",
        "no_exercise": "Non ci sono esercizi di questo livello.",
        "none_given": "Nessun esercizio aspetta una risposta. Chiedimi il prossimo.",
        "right": "Giusto, molto bene! Chiedimi il prossimo esercizio.",
        "wrong": "Non proprio. Ascolta ancora una volta.",
        "nothing": "Non hai ancora risultati. Chiedimi un esercizio.",
        "mine": "Finora: risolti {solved}, risposte {tries}, livello di lettura {level}.",
        "child": "{name}: risolti {solved}, risposte {tries}, livello di lettura {level}.",
        "idle": "{name} non ha ancora risposto a nessun esercizio.",
        "no_class": "Non trovo nessuna tua classe con questo nome.",
        "no_child": "Non trovo nessun tuo figlio con questo nome.",
    },
}  # fmt: skip

Row = dict[str, Any]


def say(call: Call, key: str, /, **facts: object) -> str:
    return WORDS.get(call.language, WORDS["en"])[key].format(**facts)


def user_of(call: Call, role: str) -> str:
    """Return the user of a call with this role. Raises `EngineError` for all others."""
    if call.role != role:
        raise EngineError(say(call, f"only_{role}"))
    if not call.user:
        raise EngineError(say(call, "unknown"))
    return call.user


def words_of(text: str) -> set[str]:
    """Return the words of a text, without accents and in small letters."""
    parted = unicodedata.normalize("NFD", text.casefold())
    return set(re.findall(r"\w+", "".join(c for c in parted if not unicodedata.combining(c))))


def is_right(answer: str, answers: str) -> bool:
    """Return whether the child said all words of one of the right answers."""
    return any(words_of(each) <= words_of(answer) for each in answers.split("|"))


PROGRESS = """
SELECT s.student, s.name, s.class, COUNT(r.id) AS tries,
    COUNT(DISTINCT CASE WHEN r.correct THEN e.id END) AS solved,
    COUNT(DISTINCT CASE WHEN r.correct AND e.level = 1 THEN e.id END) AS first,
    COUNT(DISTINCT CASE WHEN r.correct AND e.level = 2 THEN e.id END) AS second
FROM {students} AS s
LEFT JOIN results AS r ON r.student = s.student
LEFT JOIN exercises AS e ON e.id = r.exercise
GROUP BY s.student ORDER BY s.class, s.name
"""

ME = "(SELECT ? AS student, '' AS name, '' AS class)"
OF_FAMILY = "(SELECT students.* FROM students JOIN families USING (student) WHERE family = ?)"
OF_TEACHER = "(SELECT students.* FROM students JOIN teachers USING (class) WHERE teacher = ?)"

NEXT = """
SELECT e.id, e.level, e.title, e.text, e.question
FROM exercises AS e
LEFT JOIN results AS r ON r.exercise = e.id AND r.student = ?
LEFT JOIN given AS g ON g.exercise = e.id AND g.student = ?
WHERE e.language = ? AND e.level = COALESCE(?, e.level)
GROUP BY e.id
ORDER BY MAX(COALESCE(r.correct, 0)), e.level, g.exercise IS NOT NULL, COUNT(r.id), e.id
LIMIT 1
"""


async def progress(call: Call, students: str, user: str) -> list[Row]:
    """Return the progress of some students. `students`: ME, OF_FAMILY or OF_TEACHER."""
    rows = await call.db.fetch(PROGRESS.format(students=students), user)
    return [
        {key: row[key] for key in ("name", "class", "solved", "tries")} | {"level": level_of(row)}
        for row in rows
    ]


def level_of(row: Row) -> int:
    if row["first"] < SOLVED_TO_RISE:
        return 1
    return 2 if row["second"] < SOLVED_TO_RISE else 3


def report(call: Call, students: Sequence[Row]) -> dict[str, object]:
    """Return the progress of students, and a sentence for each of them."""
    told = (say(call, "child" if row["tries"] else "idle", **row) for row in students)
    return {"spoken": " ".join(told), "students": list(students)}


@tool
async def next_exercise(
    call: Call, level: Annotated[int | None, Field(ge=1, le=3)] = None
) -> dict[str, object]:
    """Give the student the next reading exercise: a text, and a question about it.

    Args:
        level: 1 is the easiest, 3 the hardest. Without it, the first one that is not solved yet.
    """
    student = user_of(call, "student")
    language = call.language if call.language in WORDS else "en"
    found = await call.db.fetch_one(NEXT, student, student, language, level)
    if found is None:
        raise EngineError(say(call, "no_exercise"))
    await call.db.execute(
        "INSERT INTO given (student, exercise) VALUES (?, ?)"
        " ON CONFLICT (student) DO UPDATE SET exercise = excluded.exercise",
        student,
        found["id"],
    )
    return {"level": found["level"], "spoken": told(call, found, found["title"] + ".")}


def told(call: Call, exercise: Row, before: str) -> str:
    """Return an exercise as it is spoken, up to the question that waits for `save_result`."""
    return f"{before} {exercise['text']} {exercise['question']} {ASK[call.language]}"


@tool(
    effects=True,
    data_arguments="allow",  # a right answer is a word of the exercise, which is a result
    repeat="allow",
    slots={"answer": {"ask": ASK, "after": AFTER}},
)
async def save_result(
    call: Call, answer: Annotated[str, Field(max_length=500)], correct: bool | None = None
) -> dict[str, object]:
    """Save whether the student has answered the question of the exercise.

    Args:
        answer: what the student said
        correct: whether the answer is right. Without it, it is compared with the expected words.
    """
    student = user_of(call, "student")
    exercise = await call.db.fetch_one(
        "SELECT e.* FROM given JOIN exercises AS e ON e.id = given.exercise WHERE student = ?",
        student,
    )
    if exercise is None:
        raise EngineError(say(call, "none_given"))
    correct = is_right(answer, exercise["answers"]) if correct is None else correct
    async with call.db.transaction() as db:
        await db.execute(
            "INSERT INTO results (student, exercise, correct) VALUES (?, ?, ?)",
            student,
            exercise["id"],
            correct,
        )
        if correct:
            await db.execute("DELETE FROM given WHERE student = ?", student)
    spoken = say(call, "right") if correct else told(call, exercise, say(call, "wrong"))
    return {"correct": correct, "spoken": spoken}


@tool
async def my_progress(call: Call) -> dict[str, object]:
    """Look up how far the student of this call has come."""
    (mine,) = await progress(call, ME, user_of(call, "student"))
    spoken = say(call, "mine" if mine["tries"] else "nothing", **mine)
    return {"spoken": spoken} | {key: mine[key] for key in ("solved", "tries", "level")}


@tool
async def class_progress(
    call: Call, name: Annotated[str, Field(max_length=40)] = ""
) -> dict[str, object]:
    """Look up how the students of the teacher of this call are doing.

    Args:
        name: the class, such as 3A. Without it, all classes of this teacher.
    """
    rows = await progress(call, OF_TEACHER, user_of(call, "teacher"))
    rows = [row for row in rows if words_of(name) <= words_of(row["class"])]
    if not rows:
        raise EngineError(say(call, "no_class"))
    return report(call, rows)


@tool
async def child_progress(
    call: Call, name: Annotated[str, Field(max_length=40)] = ""
) -> dict[str, object]:
    """Look up how the children of the family of this call are doing.

    Args:
        name: the child's first name. Without it, all children of this family.
    """
    rows = await progress(call, OF_FAMILY, user_of(call, "family"))
    rows = [row for row in rows if words_of(name) <= words_of(row["name"])]
    if not rows:
        raise EngineError(say(call, "no_child"))
    return report(call, rows)
