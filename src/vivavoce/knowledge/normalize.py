"""Words as the index and the questions share them: folded, without filler, cut to their stem.

English, Italian and Spanish have filler words and synonyms. Other languages have a stemmer, or only
their words, which is enough to find passages for a language model. Both sides of a comparison must
go through here, because a rule that drops a word must drop it on both.
"""

from __future__ import annotations

import re
from functools import lru_cache

import snowballstemmer

from ..text.folding import fold

LANGUAGES = ("en", "it", "es")
WORD_CHARACTERS = 40  # of a word, by which it is known

_ALGORITHMS = {
    "ar": "arabic", "ca": "catalan", "cs": "czech", "da": "danish", "de": "german", "el": "greek",
    "en": "english", "es": "spanish", "et": "estonian", "eu": "basque", "fi": "finnish",
    "fr": "french", "ga": "irish", "hi": "hindi", "hu": "hungarian", "hy": "armenian",
    "id": "indonesian", "it": "italian", "lt": "lithuanian", "nb": "norwegian", "ne": "nepali",
    "nl": "dutch", "no": "norwegian", "pl": "polish", "pt": "portuguese", "ro": "romanian",
    "ru": "russian", "sr": "serbian", "sv": "swedish", "ta": "tamil", "tr": "turkish",
}  # fmt: skip
_AVAILABLE = frozenset(snowballstemmer.algorithms())  # other versions have fewer
_WORD = re.compile(r"[a-z0-9]+")
_ANY_WORD = re.compile(r"\w+")
_HYPHENATED = re.compile(r"\b[a-z]+(?:-[a-z]+)+\b")
_LETTERED = re.compile(
    r"\b(room|hall|stage|gate|lab|level|stand|booth|sala|aula|stanza|salon)"
    r"\s{1,8}([a-z]{1,3}|\d{1,8})\b"
)
_SOUNDS = str.maketrans("bdgvzcq", "ptkfskk")
_CONJUNCTIONS = "eoyi"  # "in quale sala è …" does not name one
_WIFI = re.compile(r"\b(?:wi|why|wife)[ -]fi\b")
_LETTERS = {"be": "b", "bee": "b", "see": "c", "sea": "c", "dee": "d"}  # as recognisers spell them

_FILLER = {
    "en": """a an the is are am was were be been being do does did done i you he she it we they my
        your our their his her its me us him them this that these those there here what which who
        whom whose where when how why can could will would should shall may might must to in on of
        at for with by from and or if but not no so as please tell say about get got have has had
        want need like know give some any long much many more very just also then than let s t re ve
        ll d m don doesn didn isn aren won okay ok well um uh hey hello hi thanks thank bye explain
        describe show called call named name sorry happen happens happening into out up every each
        all both find one ones thing things other others else""",
    "it": """il lo la i gli le un uno una di a da in con su per tra fra e ed o od ma se che chi cosa
        cos dove dov quando quand come com quale quali qual quanto quanta quanti quante quant perche
        e sono era ho hai ha abbiamo avete hanno c ce ci si mi ti vi lo la li ne me te del dello
        della dei degli delle al allo alla ai agli alle dal dallo dalla dai dalle nel nello nella
        nei negli nelle sul sulla sui sulle dell all nell sull dall d l un posso puo puoi possiamo
        potete possono potrei potrebbe potresti vorrei voglio vuole devo deve dobbiamo dire dirmi
        dimmi dimmelo sapere sai fare fa favore grazie questo questa questi queste quel quella
        quello anche poi piu non no si mio mia tuo tua suo sua nostro vostro ciao salve buongiorno
        arrivederci allora dunque ecco tutto tutti tutte ogni essere stare sta stanno spiegami
        parlami chiama chiamano trovo trova siete siamo era erano cose scusi scusa scusate senta
        vorrebbe""",
    "es": """el la los las lo un una unos unas de a en con por para sobre y e o u pero si que quien
        quienes donde cuando como cual cuales cuanto cuanta cuantos cuantas porque es son era esta
        estan estoy hay he has ha tengo tiene tienen tenemos puedo puede puedes podemos pueden
        podria quiero quisiera me te se nos os le les del al mi mis su sus tu tus nuestro favor debo
        debe adios luego hacer hago haces este esta estos estas ese esa esos esas aquello no si
        tambien mas muy ya ser estar decir dime decirme saber sabes gracias hola buenos buenas pues
        entonces todo todos todas cada llama llaman explicame hablame encuentro estais sois soy
        somos era fue cosa cosas perdone perdona disculpe oiga""",
}
FILLER = {
    language: frozenset("".join(c for c in word if c.isalnum()) for word in words.split())
    for language, words in _FILLER.items()
}

# Everyday words for the same thing. The first is only a name; each group is one meaning.
_SAME = {
    "en": """cost price fee expensive cheap pay charge|start begin commence|end finish|
        toilet restroom bathroom loo washroom lavatory|food meal eat dish|lunch eat|
        wifi internet wireless online wlan network|park parking garage|dog pet animal|
        luggage suitcase bag backpack baggage|coat jacket|doctor medical nurse aid ill sick hurt|
        speaker talk presenter lecturer speak|talk presentation lecture|hotel sleep
        accommodation|elevator lift|metro subway underground tube train|map plan|photo picture
        camera photograph|child kid baby|smoke cigarette|password passcode code|charge power
        socket outlet plug battery|money cash atm|cancel refund|certificate attestation proof|
        clothes wear dress outfit|record recording video|timetable schedule programme program
        agenda|exit way|party dinner|wheelchair disabled accessible accessibility|lose lost
        missing|vegetarian vegan diet|allergy allergic|badge pass|contact phone email reach|
        prize award|bike bicycle cycle|build built make made|keep kept|sell sold|find found|
        translate translation interpreter|coffee break|bus shuttle|quiet silent rest
        pray prayer""",
    "it": """costo costa prezzo pagare tariffa|inizio inizia comincia cominciare parte|fine finisce
        termina|bagno toilette servizi gabinetto|cibo mangiare pasto piatto|pranzo mangiare|wifi
        internet rete wireless connessione|auto macchina|parcheggio parcheggiare|cane animale|
        bagaglio valigia borsa zaino|cappotto giacca guardaroba|medico dottore soccorso malato|
        relatore relatrice parla speaker|intervento presentazione sessione conferenza|hotel albergo
        dormire alloggio|ascensore|metro metropolitana treno|mappa piantina|foto fotografia|bambino
        bimbo figlio|fumare sigaretta|password codice|ricarica caricare presa corrente batteria|
        soldi contanti bancomat|annullare disdire rimborso|certificato attestato|vestire vestito
        abbigliamento indossare|registrazione registrato video|programma agenda orario|cena|
        carrozzina disabile accessibile sedia|perso smarrito perduto|vegetariano vegano|allergia
        allergico|contatto telefono email|premio|bici bicicletta|
        traduzione interprete|caffe pausa|navetta autobus bus|
        silenzio tranquillo riposo pregare|biglietto ingresso|badge tesserino pass""",
    "es": """costo cuesta precio pagar tarifa|empieza comienza inicio empezar comenzar|termina acaba
        fin|bano aseo servicio lavabo|comida comer plato|almuerzo comer comida|wifi internet red
        conexion conectar|aparcar aparcamiento parking estacionar estacionamiento|perro
        mascota animal|coche auto carro|equipaje maleta mochila bolsa|
        abrigo guardarropa consigna|medico doctor auxilio enfermo|
        ponente habla orador conferenciante|charla ponencia presentacion sesion|
        hotel dormir alojamiento|ascensor|metro tren|mapa plano|foto fotografia|nino hijo bebe|
        fumar cigarrillo|contrasena clave codigo|cargar enchufe corriente bateria|dinero efectivo
        cajero|cancelar anular reembolso devolucion|certificado|ropa vestir vestimenta llevar|
        grabacion grabar video|programa agenda horario|cena|silla accesible accesibilidad
        discapacitado|perdido perder|vegetariano vegano|alergia alergico|contacto telefono correo|
        premio|bici bicicleta|traduccion interprete|cafe pausa|autobus lanzadera|
        silencio tranquilo descanso rezar|entrada billete|acreditacion credencial pase""",
}


@lru_cache(maxsize=20_000)
def stem(word: str, language: str) -> str:
    """Return the stem of a word, or the word itself in a language without a stemmer."""
    algorithm = _ALGORITHMS.get(language)
    if algorithm is None or algorithm not in _AVAILABLE:
        return word
    # A stemmer keeps the word it works on, so threads must not share one; making one is cheap.
    stemmed: str = snowballstemmer.stemmer(algorithm).stemWord(word)
    return stemmed


def terms(text: str, language: str) -> list[str]:
    """Return the stems that carry the meaning, in order.

    "check-in" gives check, in and checkin; "room B" gives room and #b, since
    a lone letter says nothing.
    """
    folded = _WIFI.sub("wifi", fold(text))
    if language not in LANGUAGES:
        return [stem(w[:WORD_CHARACTERS], language) for w in _ANY_WORD.findall(folded)]
    filler = FILLER[language]
    found = [
        stem(w[:WORD_CHARACTERS], language)
        for w in _WORD.findall(folded)
        if w not in filler and (w.isdigit() or len(w) > 1)
    ]
    if "-" in folded:
        found += [
            stem(m.group().replace("-", "")[:WORD_CHARACTERS], language)
            for m in _HYPHENATED.finditer(folded)
        ]
    for match in _LETTERED.finditer(folded):
        mark = _LETTERS.get(match[2], match[2])
        if mark.isdigit() or (len(mark) == 1 and (language == "en" or mark not in _CONJUNCTIONS)):
            found.append(f"#{mark}")
    return found


def sound(word: str) -> str:
    """Return a word's consonants as a bad microphone transmits them: barking is parking."""
    spelled = word.replace("ph", "f").replace("wh", "w").replace("ck", "k").translate(_SOUNDS)
    return re.sub(r"(.)\1+", r"\1", re.sub(r"(?<!^)[aeiouyhw#]", "", spelled))


@lru_cache(maxsize=len(LANGUAGES))
def synonyms(language: str) -> dict[str, frozenset[str]]:
    """For each stem the other stems that may mean the same."""
    same: dict[str, set[str]] = {}
    for line in _SAME.get(language, "").split("|"):
        group = {stem(word, language) for word in line.split()}
        for word in group:
            same.setdefault(word, set()).update(group - {word})
    return {word: frozenset(others) for word, others in same.items()}
