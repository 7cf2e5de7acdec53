"""Charlotte's tools at the info point: check-in by booking code, and announcements."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import Field

from vivavoce import Call, tool

WRONG_CODES = 5  # in one call; then a person has to look
KEPT = 20  # announcements that stand at the same time
STAFF = ["staff"]

Code = Annotated[str, Field(pattern=r"^[0-9]{6}$", description="the six digits of the booking")]
News = Annotated[str, Field(min_length=3, max_length=300, description="what everybody should know")]

SAID = {
    "welcome": {
        "en": "Welcome, {name}! You are checked in. Your badge waits at the registration desk.",
        "it": "Benvenuto, {name}! Il check-in è fatto. Il badge ti aspetta al banco.",
        "es": "¡Hola, {name}! Tu registro está hecho. Tu acreditación te espera en el mostrador.",
    },
    "again": {
        "en": "{name}, you are checked in already. Your badge waits at the registration desk.",
        "it": "{name}, il check-in è già fatto. Il badge ti aspetta al banco di registrazione.",
        "es": "{name}, tu registro ya está hecho. Tu acreditación te espera en el mostrador.",
    },
    "unknown": {
        "en": "I do not find that code. It has six digits and stands in your email.",
        "it": "Non trovo questo codice. Ha sei cifre ed è nella tua email.",
        "es": "No encuentro ese código. Tiene seis cifras y está en tu correo.",
    },
    "enough": {
        "en": "Those were too many wrong codes. The people at the registration desk can help.",
        "it": "Troppi codici sbagliati. Le persone al banco di registrazione ti aiutano.",
        "es": "Demasiados códigos equivocados. En el mostrador de registro te ayudan.",
    },
    "nothing": {
        "en": "There are no announcements at the moment.",
        "it": "Al momento non ci sono annunci.",
        "es": "Ahora mismo no hay anuncios.",
    },
    "announced": {
        "en": "Announcement {number} is out.",
        "it": "L'annuncio {number} è pubblicato.",
        "es": "El anuncio {number} está publicado.",
    },
    "full": {
        "en": "There are too many announcements. Withdraw one first.",
        "it": "Ci sono troppi annunci. Prima ritirane uno.",
        "es": "Hay demasiados anuncios. Retira uno primero.",
    },
    "withdrawn": {
        "en": "Announcement {number} is withdrawn.",
        "it": "L'annuncio {number} è ritirato.",
        "es": "El anuncio {number} está retirado.",
    },
    "missing": {
        "en": "There is no announcement {number}.",
        "it": "Non c'è un annuncio {number}.",
        "es": "No hay un anuncio {number}.",
    },
    "arrivals": {
        "en": "{here} of {all} people are checked in.",
        "it": "{here} persone su {all} hanno fatto il check-in.",
        "es": "{here} de {all} personas se han registrado.",
    },
}


@tool(
    effects=True,
    say={
        "en": "I look for your booking.",
        "it": "Cerco la prenotazione.",
        "es": "Busco tu reserva.",
    },
    phrases={
        "en": [
            "I want to check in",
            "I would like to check in",
            "check me in",
            "check me in with the code {code}",
            "check me in my code is {code}",
            "check in with {code}",
            "I want to check in with the code {code}",
            "I would like to check in with the booking code {code}",
            "my booking code is {code}",
            "my code is {code}",
        ],
        "it": [
            "vorrei fare il check-in",
            "voglio fare il check-in",
            "fai il mio check-in",
            "fai il mio check-in il codice è {code}",
            "vorrei fare il check-in con il codice {code}",
            "registrami con il codice {code}",
            "registrami con il codice di prenotazione {code}",
            "il mio codice di prenotazione è {code}",
            "il mio codice è {code}",
        ],
        "es": [
            "quiero hacer el check-in",
            "quiero registrarme",
            "haz mi registro",
            "haz mi registro el código es {code}",
            "quiero registrarme con el código {code}",
            "regístrame con el código {code}",
            "regístrame con el código de reserva {code}",
            "mi código de reserva es {code}",
            "mi código es {code}",
        ],
    },
    slots={
        "code": {
            "ask": {
                "en": "What is your booking code? It has six digits.",
                "it": "Qual è il tuo codice di prenotazione? Ha sei cifre.",
                "es": "¿Cuál es tu código de reserva? Tiene seis cifras.",
            }
        }
    },
)
async def check_in(call: Call, code: Code) -> str:
    """Check a visitor in by the booking code. The same code again changes nothing."""
    async with call.db.transaction() as db:
        wrong = await db.fetch_one("SELECT times FROM wrong_codes WHERE call_id = ?", call.id)
        if call.id and wrong and wrong["times"] >= WRONG_CODES:
            return _say(call, "enough")
        found = await db.fetch_one("SELECT * FROM bookings WHERE code = ?", code)
        if found is None:
            await db.execute(
                "INSERT INTO wrong_codes VALUES (?, 1)"
                " ON CONFLICT (call_id) DO UPDATE SET times = times + 1",
                call.id,
            )
            return _say(call, "unknown")
        first = await db.execute(
            "UPDATE bookings SET checked_in_at = ? WHERE code = ? AND checked_in_at IS NULL",
            datetime.now(UTC),
            code,
        )
    return _say(call, "welcome" if first else "again", name=found["first_name"])


@tool(
    phrases={
        "en": ["are there any announcements", "what is new today", "what are the announcements",
               "is there any news", "read me the announcements", "has anything changed today"],
        "it": ["ci sono annunci", "quali sono le novità di oggi", "quali sono gli annunci",
               "ci sono novità", "leggimi gli annunci", "è cambiato qualcosa oggi"],
        "es": ["hay anuncios", "qué novedades hay hoy", "cuáles son los anuncios",
               "hay novedades", "léeme los anuncios", "ha cambiado algo hoy"],
    },
)  # fmt: skip
async def announcements(call: Call) -> str:
    """Read out what the organisers announced today."""
    rows = await call.db.fetch(
        "SELECT text FROM announcements WHERE withdrawn_at IS NULL ORDER BY number DESC"
    )
    return " ".join(row["text"] for row in rows) or _say(call, "nothing")


@tool(
    roles=STAFF,
    effects=True,
    phrases={
        "en": ["announce that {text}", "announce {text}", "make an announcement"],
        "it": ["annuncia che {text}", "annuncia {text}", "fai un annuncio"],
        "es": ["anuncia que {text}", "anuncia {text}", "haz un anuncio"],
    },
    slots={
        "text": {
            "ask": {
                "en": "What shall I announce?",
                "it": "Che cosa devo annunciare?",
                "es": "¿Qué tengo que anunciar?",
            }
        }
    },
)
async def announce(call: Call, text: News) -> str:
    """Publish an announcement for all visitors. For staff."""
    news = text.strip()
    news = news[:1].upper() + news[1:] + ("" if news.endswith((".", "!", "?")) else ".")
    async with call.db.transaction() as db:
        standing = await db.fetch("SELECT number FROM announcements WHERE withdrawn_at IS NULL")
        if len(standing) >= KEPT:
            return _say(call, "full")
        row = await db.fetch_one(
            "INSERT INTO announcements (text, made_at) VALUES (?, ?) RETURNING number",
            news,
            datetime.now(UTC),
        )
    return _say(call, "announced", number=row["number"] if row else "")


@tool(
    roles=STAFF,
    effects=True,
    phrases={
        "en": ["withdraw announcement {number}", "delete announcement {number}"],
        "it": ["ritira l'annuncio {number}", "cancella l'annuncio {number}"],
        "es": ["retira el anuncio {number}", "borra el anuncio {number}"],
    },
    slots={
        "number": {
            "ask": {
                "en": "Which number does it have?",
                "it": "Che numero ha?",
                "es": "¿Qué número tiene?",
            }
        }
    },
)
async def withdraw_announcement(call: Call, number: int) -> str:
    """Withdraw an announcement by its number. For staff."""
    changed = await call.db.execute(
        "UPDATE announcements SET withdrawn_at = ? WHERE number = ? AND withdrawn_at IS NULL",
        datetime.now(UTC),
        number,
    )
    return _say(call, "withdrawn" if changed else "missing", number=number)


@tool(
    roles=STAFF,
    phrases={
        "en": ["how many people are checked in", "how many people have arrived"],
        "it": ["quante persone hanno fatto il check-in", "quante persone sono arrivate"],
        "es": ["cuántas personas se han registrado", "cuántas personas han llegado"],
    },
)
async def count_arrivals(call: Call) -> str:
    """Count the people who have checked in. For staff."""
    row = await call.db.fetch_one(
        'SELECT count(checked_in_at) AS here, count(*) AS "all" FROM bookings'
    )
    return _say(call, "arrivals", **(row or {"here": 0, "all": 0}))


def _say(call: Call, what: str, **values: object) -> str:
    """Return a sentence in the language of the call."""
    texts = SAID[what]
    return texts.get(call.language, texts["en"]).format(**values)
