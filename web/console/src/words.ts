// Every sentence of the page, in the languages it speaks.

import type { Trouble } from "@vivavoce/client";

const en = {
  tagline: "by living voice",
  with: "Talk with",
  language: "Language",
  manner: "How",
  modes: { open: "Hands-free", "push-to-talk": "Push to talk", text: "In writing" },
  headphones: "I wear headphones",
  headphonesWhy: "Echo cancellation off: interrupting works better.",
  settings: "Settings",
  call: "Call",
  microphone: "Microphone",
  hold: "Hold to talk",
  stop: "Stop",
  stopLong: "Stop the answer",
  end: "Hang up",
  fresh: "New conversation",
  write: "Write instead of speaking",
  placeholder: "Write to {name}…",
  send: "Send",
  you: "You",
  transcript: "Conversation",
  interrupted: "interrupted",
  notUnderstood: "(not understood)",
  note: "Good to know",
  cannot: "this page cannot do that",
  status: {
    idle: { open: "Press, and ask", "push-to-talk": "Hold, and ask", text: "Write, and ask" },
    connecting: "Connecting…",
    ready: { open: "Microphone off", "push-to-talk": "Hold to talk", text: "Ready" },
    listening: "Listening",
    hearing: "I hear you…",
    thinking: "Thinking…",
    speaking: "Speaking",
    reconnecting: "Reconnecting…",
    failed: "Not connected",
  },
  hints: {
    open: "Speak any time, also over an answer.",
    "push-to-talk": "Hold the button or the space bar while you speak.",
    text: "Answers come in writing only.",
    short: "That was too short. Hold the button while you speak.",
    kept: "Your conversation is kept.",
    asking: "The browser asks whether this page may listen.",
  },
  again: "Try again",
  now: "Try now",
  writeInstead: "Write instead",
  errors: {
    not_signed_in: "You are no longer signed in.",
    refused: "The server did not accept this call.",
    busy: "The server is busy just now. Wait a moment, then try again.",
    network: "The server cannot be reached. Check the network; your conversation is kept.",
    slow: "The network is slow: some of what you said did not arrive.",
    answer: "That answer failed. Ask again.",
    server: "The server reports a problem.",
    microphone_refused:
      "The browser does not let this page use the microphone. Allow it beside the address, then try again.",
    microphone_missing: "No microphone was found. Plug one in and try again.",
    microphone_busy: "The microphone cannot be opened. Does another program use it?",
    microphone_insecure:
      "Browsers open the microphone only over https or on localhost. Ask who runs this server.",
  } satisfies Record<Trouble, string>,
  signIn: {
    title: "A link opens this page",
    stale: "That link was used already, or is older than ten minutes.",
    how: "On the machine where Vivavoce runs, type",
    then: "and open the link that it prints. It works once.",
    loading: "One moment…",
    unreachable: "The server does not answer.",
    empty: "This server has no assistants yet.",
  },
};

export type Words = typeof en;

const it: Words = {
  tagline: "a viva voce",
  with: "Parla con",
  language: "Lingua",
  manner: "Come",
  modes: { open: "Mani libere", "push-to-talk": "Premi e parla", text: "Per iscritto" },
  headphones: "Uso le cuffie",
  headphonesWhy: "Senza cancellazione dell’eco: interrompere riesce meglio.",
  settings: "Impostazioni",
  call: "Chiamata",
  microphone: "Microfono",
  hold: "Tieni premuto per parlare",
  stop: "Ferma",
  stopLong: "Ferma la risposta",
  end: "Riaggancia",
  fresh: "Nuova conversazione",
  write: "Scrivi invece di parlare",
  placeholder: "Scrivi a {name}…",
  send: "Invia",
  you: "Tu",
  transcript: "Conversazione",
  interrupted: "interrotta",
  notUnderstood: "(non capito)",
  note: "Da sapere",
  cannot: "questa pagina non sa farlo",
  status: {
    idle: { open: "Premi e chiedi", "push-to-talk": "Tieni premuto e chiedi", text: "Scrivi" },
    connecting: "Mi collego…",
    ready: { open: "Microfono spento", "push-to-talk": "Tieni premuto", text: "Pronto" },
    listening: "In ascolto",
    hearing: "Ti sento…",
    thinking: "Ci penso…",
    speaking: "Parlo",
    reconnecting: "Mi ricollego…",
    failed: "Non collegato",
  },
  hints: {
    open: "Parla quando vuoi, anche sopra le risposte.",
    "push-to-talk": "Tieni premuto il pulsante o la barra spaziatrice mentre parli.",
    text: "Le risposte arrivano solo per iscritto.",
    short: "Troppo breve. Tieni premuto il pulsante mentre parli.",
    kept: "La conversazione è conservata.",
    asking: "Il browser chiede se questa pagina può ascoltare.",
  },
  again: "Riprova",
  now: "Prova ora",
  writeInstead: "Scrivi invece",
  errors: {
    not_signed_in: "L’accesso è scaduto.",
    refused: "Il server non ha accettato questa chiamata.",
    busy: "Il server è occupato. Aspetta un momento e riprova.",
    network: "Il server non si raggiunge. Controlla la rete; la conversazione è conservata.",
    slow: "La rete è lenta: una parte di ciò che hai detto non è arrivata.",
    answer: "Questa risposta non è riuscita. Chiedi di nuovo.",
    server: "Il server segnala un problema.",
    microphone_refused:
      "Il browser non concede il microfono a questa pagina. Consentilo accanto all’indirizzo e riprova.",
    microphone_missing: "Non trovo un microfono. Collegane uno e riprova.",
    microphone_busy: "Il microfono non si apre. Lo usa un altro programma?",
    microphone_insecure:
      "I browser aprono il microfono solo con https o su localhost. Chiedi a chi gestisce il server.",
  },
  signIn: {
    title: "Questa pagina si apre con un link",
    stale: "Quel link è già stato usato, o ha più di dieci minuti.",
    how: "Sul computer dove gira Vivavoce, scrivi",
    then: "e apri il link che appare. Vale una volta sola.",
    loading: "Un momento…",
    unreachable: "Il server non risponde.",
    empty: "Questo server non ha ancora assistenti.",
  },
};

const es: Words = {
  tagline: "de viva voz",
  with: "Habla con",
  language: "Idioma",
  manner: "Cómo",
  modes: { open: "Manos libres", "push-to-talk": "Al pulsar", text: "Por escrito" },
  headphones: "Llevo auriculares",
  headphonesWhy: "Sin cancelación de eco: interrumpir funciona mejor.",
  settings: "Ajustes",
  call: "Llamada",
  microphone: "Micrófono",
  hold: "Mantén pulsado para hablar",
  stop: "Parar",
  stopLong: "Parar la respuesta",
  end: "Colgar",
  fresh: "Nueva conversación",
  write: "Escribe en vez de hablar",
  placeholder: "Escribe a {name}…",
  send: "Enviar",
  you: "Tú",
  transcript: "Conversación",
  interrupted: "interrumpida",
  notUnderstood: "(no se entendió)",
  note: "Conviene saber",
  cannot: "esta página no sabe hacerlo",
  status: {
    idle: { open: "Pulsa y pregunta", "push-to-talk": "Mantén y pregunta", text: "Escribe" },
    connecting: "Conectando…",
    ready: { open: "Micrófono apagado", "push-to-talk": "Mantén pulsado", text: "Listo" },
    listening: "Escuchando",
    hearing: "Te oigo…",
    thinking: "Pensando…",
    speaking: "Hablando",
    reconnecting: "Reconectando…",
    failed: "Sin conexión",
  },
  hints: {
    open: "Habla cuando quieras, también por encima de una respuesta.",
    "push-to-talk": "Mantén pulsado el botón o la barra espaciadora mientras hablas.",
    text: "Las respuestas llegan solo por escrito.",
    short: "Demasiado corto. Mantén pulsado el botón mientras hablas.",
    kept: "La conversación se conserva.",
    asking: "El navegador pregunta si esta página puede escuchar.",
  },
  again: "Reintentar",
  now: "Probar ya",
  writeInstead: "Escribir",
  errors: {
    not_signed_in: "Tu sesión ha caducado.",
    refused: "El servidor no aceptó esta llamada.",
    busy: "El servidor está ocupado. Espera un momento y reintenta.",
    network: "No se alcanza el servidor. Revisa la red; la conversación se conserva.",
    slow: "La red va lenta: parte de lo que dijiste no llegó.",
    answer: "Esa respuesta falló. Pregunta otra vez.",
    server: "El servidor informa de un problema.",
    microphone_refused:
      "El navegador no deja usar el micrófono. Permítelo junto a la dirección y reintenta.",
    microphone_missing: "No hay micrófono. Conecta uno y reintenta.",
    microphone_busy: "El micrófono no se abre. ¿Lo usa otro programa?",
    microphone_insecure:
      "Los navegadores abren el micrófono solo con https o en localhost. Pregunta a quien lleva el servidor.",
  },
  signIn: {
    title: "Un enlace abre esta página",
    stale: "Ese enlace ya se usó, o tiene más de diez minutos.",
    how: "En la máquina donde corre Vivavoce, escribe",
    then: "y abre el enlace que imprime. Sirve una sola vez.",
    loading: "Un momento…",
    unreachable: "El servidor no responde.",
    empty: "Este servidor aún no tiene asistentes.",
  },
};

const TABLE: Record<string, Words> = { en, it, es };

export const spoken = Object.keys(TABLE);

/** The page's words in the first of `languages` that it speaks. */
export function words(languages: readonly string[]): { language: string; words: Words } {
  const language = languages.map((tag) => tag.slice(0, 2)).find((tag) => tag in TABLE) ?? "en";
  return { language, words: TABLE[language]! };
}

/** A language in its own name. */
export function nameOf(language: string): string {
  const name = new Intl.DisplayNames([language], { type: "language" }).of(language) ?? language;
  return name.charAt(0).toLocaleUpperCase(language) + name.slice(1);
}
