"""The brain's own sentences, and patterns of the phrases that they answer."""

from __future__ import annotations

import re

import msgspec


class Phrases(msgspec.Struct, frozen=True, kw_only=True):
    hello: str
    bye: str
    thanks: str
    fine: str
    name: str
    nameless: str
    help: str
    helpless: str
    unknown: str
    nothing_said: str
    ask: str
    half: str
    again: str
    still_there: str
    dropped: str
    done: str
    failed: str
    all_right: str
    not_done: str
    perhaps_done: str
    empty: str
    yes: str
    no: str
    and_: str
    or_: str
    more: str
    nothing_on: str
    no_more: str
    it_is: str
    blind: str


PHRASES = {
    "en": Phrases(
        hello="Hello! How can I help you?",
        bye="Goodbye!",
        thanks="You're welcome.",
        fine="I'm fine, thank you. What would you like to know?",
        name="I am {name}, a voice assistant.",
        nameless="I am a voice assistant.",
        help="You can ask me about {topics}.",
        helpless="I can't do much yet: nobody has told me anything.",
        unknown="I'm sorry, I don't know that.",
        nothing_said="I haven't said anything yet.",
        ask="Please tell me {what}.",
        half="In the morning or in the evening?",
        again="Sorry, I didn't understand that.",
        still_there="Are you still there?",
        dropped="All right, let's leave it.",
        done="Done.",
        failed="That did not work: {why}",
        all_right="All right.",
        not_done="All right, I won't do it.",
        perhaps_done="That was interrupted, and it may have happened.",
        empty="There is nothing to report.",
        yes="yes",
        no="no",
        and_="and",
        or_="or",
        more="and {n} more",
        nothing_on="There is nothing like that in the programme.",
        no_more="That is all I know about it.",
        it_is="It is {what}.",
        blind="I can't see images. Please tell me in words what it shows.",
    ),
    "it": Phrases(
        hello="Ciao! Come posso aiutarti?",
        bye="Arrivederci!",
        thanks="Prego.",
        fine="Sto bene, grazie. Che cosa vuoi sapere?",
        name="Sono {name}, un'assistente vocale.",
        nameless="Sono un'assistente vocale.",
        help="Puoi chiedermi di {topics}.",
        helpless="Non posso fare molto: nessuno mi ha ancora detto niente.",
        unknown="Mi dispiace, questo non lo so.",
        nothing_said="Non ho ancora detto niente.",
        ask="Mi serve un dato: {what}.",
        half="Di mattina o di sera?",
        again="Scusa, non ho capito.",
        still_there="Sei ancora in linea?",
        dropped="Va bene, lasciamo stare.",
        done="Fatto.",
        failed="Non ha funzionato: {why}",
        all_right="Va bene.",
        not_done="Va bene, non lo faccio.",
        perhaps_done="Si è interrotto, e forse è successo lo stesso.",
        empty="Non c'è niente da riferire.",
        yes="sì",
        no="no",
        and_="e",
        or_="o",
        more="e {n} in più",
        nothing_on="Non c'è niente del genere nel programma.",
        no_more="Non so altro.",
        it_is="Adesso: {what}.",
        blind="Non posso vedere le immagini. Mi dica a parole che cosa si vede.",
    ),
    "es": Phrases(
        hello="¡Hola! ¿En qué puedo ayudarte?",
        bye="¡Adiós!",
        thanks="De nada.",
        fine="Estoy bien, gracias. ¿Qué quieres saber?",
        name="Soy {name}, una asistente de voz.",
        nameless="Soy una asistente de voz.",
        help="Puedes preguntarme por {topics}.",
        helpless="No puedo hacer mucho: nadie me ha contado nada todavía.",
        unknown="Lo siento, eso no lo sé.",
        nothing_said="Todavía no he dicho nada.",
        ask="Me falta un dato: {what}.",
        half="¿De la mañana o de la noche?",
        again="Perdona, no lo he entendido.",
        still_there="¿Sigues ahí?",
        dropped="De acuerdo, lo dejamos.",
        done="Hecho.",
        failed="No ha funcionado: {why}",
        all_right="De acuerdo.",
        not_done="De acuerdo, no lo hago.",
        perhaps_done="Se ha interrumpido, y puede que se haya hecho.",
        empty="No hay nada que contar.",
        yes="sí",
        no="no",
        and_="y",
        or_="o",
        more="y {n} más",
        nothing_on="No hay nada parecido en el programa.",
        no_more="No sé nada más.",
        it_is="Ahora: {what}.",
        blind="No puedo ver imágenes. Dígame con palabras qué se ve.",
    ),
}

# Patterns of a whole utterance, as folded text. The first that fits is used. A greeting before a
# question is a filler word and does not arrive here.
_SMALL_TALK = (
    (
        "repeat",
        r"((can|could|would) you |please )?(repeat|say)( (that|it|this))?( (again|once more))?"
        r"( please)?|pardon( me)?|what did you say|come again|once more( please)?|"
        r"(puoi |potresti )?(ripeti|ripetere|ripetilo)( per favore)?|come hai detto|"
        r"(puedes |podrias )?(repite|repetir|repetirlo|repitelo)( eso)?( por favor)?|"
        r"como has dicho|otra vez( por favor)?",
    ),
    (
        "fine",
        r"how are you( doing)?( today)?|how do you do|come (stai|va)|como estas|que tal( estas)?",
    ),
    (
        "name",
        r"(and )?who are you|what are you|what('s| is| s) your name|(e )?chi sei|"
        r"come ti chiami|(y )?quien eres|como te llamas|are you (a )?(robot|human|person|bot)",
    ),
    (
        "help",
        r"help( me)?( please)?|(can|could) you help( me)?|what can (you|i) (do|ask|say)"
        r"( for me| you)?|how can you help( me)?|what do you know|aiuto|aiutami|"
        r"(mi )?puoi aiutar(e|mi)|(che )?cosa (puoi|sai) (fare|dirmi)|cosa posso chieder(e|ti)|"
        r"ayuda(me)?|(me )?puedes ayudar(me)?|que (puedes|sabes) hacer|"
        r"que (te )?puedo preguntar(te)?",
    ),
    (
        "clock",
        r"what('s| is| s) the time|what time is it( now)?|(mi dici )?che or[ae] (e|sono)( adesso)?|"
        r"que hora es( ahora)?",
    ),
    (
        "today",
        r"what day is (it|today)( today)?|what('s| is| s) the date( today)?|che giorno e( oggi)?|"
        r"que dia es( hoy)?",
    ),
    (
        "bye",
        r"(ok |okay )?(thanks |thank you )?(good ?bye|bye)( bye)?|see you( later| soon)?|"
        r"(grazie )?(arrivederci|addio|a presto|ci vediamo)|(gracias )?(adios|hasta luego|"
        r"hasta pronto|chao)|have a nice day|buona giornata",
    ),
    (
        "thanks",
        r"(ok |okay |great |perfect )?(thanks|thank you)( a lot| very much| so much)?"
        r"( that('s| is| s) all)?|(ok |perfetto )?(grazie|ti ringrazio)( mille| tante)?|"
        r"(ok |perfecto |muchas )?gracias|(mil|muchas) gracias",
    ),
    (
        "hello",
        r"(hello|hi|hey|good (morning|afternoon|evening))( there| everyone)?( \w+)?|"
        r"(ciao|salve|buon ?giorno|buona ?sera)( \w+)?|"
        r"(hola|buenos dias|buenas (tardes|noches)|buenas)( \w+)?",
    ),
    (
        "all_right",  # an order to the voice itself
        r"(ok |okay |no |please )?(stop|wait|hold on|pause|quiet|be quiet|silence|enough|"
        r"shut up|cancel|"
        r"never mind|hush|basta|fermati|ferma|aspetta|aspetti|zitto|zitta|silenzio|smettila|"
        r"annulla|"
        r"lascia stare|para|espera|espere|callate|silencio|detente|cancela|dejalo|ya basta)"
        r"( (it|that|talking|now|there|a (second|moment|minute)|un (attimo|momento)|cosi|ya))*"
        r"( please| per favore| grazie| thanks| por favor| gracias)?",
    ),
    (
        "all_right",
        r"(ok|okay|yes|no|yeah|sure|fine|great|perfect|i see|got it|alright|all right|va bene|si|"
        r"certo|perfetto|capito|vale|de acuerdo|claro|perfecto|entendido)( please| grazie|"
        r" thanks| thank you| gracias)?",
    ),
)
_COMPILED = tuple((kind, re.compile(rf"(?:{pattern})$")) for kind, pattern in _SMALL_TALK)

DROP = re.compile(
    r"^(?:no )?(?:never mind|forget (?:it|that|about it)|cancel(?: (?:it|that))?|stop|leave it|"
    r"lascia(?:mo)? (?:stare|perdere)|annulla(?:lo|la)?|niente|come non detto|"
    r"dejalo|olvidalo|cancela(?:lo)?|nada|para)$"
)
MORE = re.compile(
    r"^(?:and )?(?:(?:can you |please )?(?:tell me|say|know) more(?: about (?:it|that))?|more|"
    r"go on|(?:any )?more details|dimmi di piu|vai avanti|altro|continua|(?:dime|cuentame) mas|mas|"
    r"sigue)(?: please| per favore| por favor)?$"
)


def small_talk(folded: str) -> str | None:
    """Return the kind of a text that is small talk only. `repeat` and `help` need more words."""
    return next((kind for kind, pattern in _COMPILED if pattern.match(folded)), None)


def listed(entries: list[str], last: str) -> str:
    """One, two and three."""
    return f" {last} ".join(filter(None, [", ".join(entries[:-1]), *entries[-1:]]))
