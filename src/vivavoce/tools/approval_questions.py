"""The question that a caller hears before a tool runs, in the language of the call.

An author writes it with parameters in braces: "Shall I give {euros} euros back?". A question with a
parameter that has no value gives way to the server's own, because a caller must hear a whole one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Any

from ..core.types import ToolRules
from ..store.tool_runs import ToolRunRow
from .signatures import UnfitFunctionError

CHARACTERS = 300  # of a question that a caller can listen to
PARAMETER = re.compile(r"\{([^{}]*)\}")

Texts = Mapping[str, str]

ASK_USER: Texts = {
    "en": "Shall I do that?",
    "it": "Devo farlo?",
    "es": "¿Lo hago?",
    "de": "Soll ich das tun?",
    "fr": "Dois-je le faire ?",
    "pt": "Devo fazer isso?",
}
ASK_AGAIN: Texts = {
    "en": "This may have happened already. Shall I do it again?",
    "it": "Forse è già stato fatto. Devo farlo di nuovo?",
    "es": "Puede que ya esté hecho. ¿Lo hago otra vez?",
    "de": "Vielleicht ist das schon geschehen. Soll ich es noch einmal tun?",
    "fr": "C'est peut-être déjà fait. Dois-je le refaire ?",
    "pt": "Talvez já esteja feito. Devo fazer de novo?",
}
ASK_STAFF: Texts = {
    "en": "A member of staff has to approve this. I will tell you as soon as it is decided.",
    "it": "Qualcuno del personale deve approvarlo. Le dirò appena è deciso.",
    "es": "Alguien del personal tiene que aprobarlo. Le diré en cuanto esté decidido.",
    "de": "Das muss jemand vom Personal genehmigen. Ich sage Bescheid, sobald es entschieden ist.",
    "fr": "Un membre du personnel doit l'approuver. Je vous dirai dès que c'est décidé.",
    "pt": "Alguém da equipa tem de aprovar isto. Digo-lhe assim que estiver decidido.",
}
DECLINED: Texts = {
    "en": "This was not approved, so I have not done it.",
    "it": "Non è stato approvato, quindi non l'ho fatto.",
    "es": "No se ha aprobado, así que no lo he hecho.",
    "de": "Das wurde nicht genehmigt, also habe ich es nicht getan.",
    "fr": "Ce n'est pas approuvé, je ne l'ai donc pas fait.",
    "pt": "Não foi aprovado, por isso não o fiz.",
}


def question(row: ToolRunRow, rules: ToolRules, language: str) -> str:
    """Return what a caller hears while this run waits for its approval."""
    own = in_language(rules.ask, language)
    if rules.approve == "never":  # the run repeats one which may have happened
        return in_language(ASK_AGAIN, language) or ASK_AGAIN["en"]
    if own and (filled := _filled(own, row.arguments)):
        return filled
    usual = ASK_STAFF if row.approve == "staff" else ASK_USER
    return in_language(usual, language) or usual["en"]


def in_language(texts: Texts, language: str) -> str | None:
    """Return the text in this language, or the one for all languages."""
    keys = (language, language.partition("-")[0], "*")
    return next((text for key in keys if (text := texts.get(key))), None)


def check_question(texts: Texts, parameters: Mapping[str, Any]) -> None:
    """Raise `UnfitFunctionError` if a question names a word that is not a parameter."""
    for name in unknown_names(texts, parameters.get("properties", {})):
        raise UnfitFunctionError(f"ask names no parameter: {name}")


def unknown_names(texts: Texts, known: Collection[str]) -> list[str]:
    """Return the names in braces that are not among the known ones."""
    named = {name for text in texts.values() for name in PARAMETER.findall(text)}
    return sorted(named - set(known))


def _filled(text: str, arguments: str) -> str | None:
    """Return the text with its arguments. None: one has no value that a voice can say."""
    given = json.loads(arguments)
    values = {name: _spoken(given.get(name)) for name in PARAMETER.findall(text)}
    if "" in values.values():
        return None
    filled = " ".join(PARAMETER.sub(lambda found: values[found[1]], text).split())
    return filled if len(filled) <= CHARACTERS else None


def _spoken(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(filter(None, map(_spoken, value)))
    return str(value).strip() if isinstance(value, str | int | float) else ""
