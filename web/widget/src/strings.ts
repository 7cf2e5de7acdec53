// The texts of the widget. The texts of the assistant come from the server.

import type { Phase } from "./phase";

export interface Strings {
  open: string;
  close: string;
  talk: string;
  write: string;
  agree: string;
  end: string;
  stop: string;
  mute: string;
  unmute: string;
  send: string;
  message: string;
  transcript: string;
  you: string;
  consent: string;
  notHeard: string;
  status: Record<Phase, string>;
  errors: { [code: string]: string };
  failed: string;
}

const en: Strings = {
  open: "Talk with us",
  close: "Close",
  talk: "Talk",
  write: "Write instead",
  agree: "Allow the microphone and talk",
  end: "End the call",
  stop: "Stop the answer",
  mute: "Close the microphone",
  unmute: "Open the microphone",
  send: "Send",
  message: "Your message",
  transcript: "Conversation",
  you: "You",
  consent: "An assistant answers, not a person. Your voice is sent to this website's voice server.",
  notHeard: "not understood",
  status: {
    idle: "",
    connecting: "Connecting…",
    listening: "Listening",
    ready: "Microphone off",
    thinking: "One moment…",
    speaking: "Speaking",
    reconnecting: "Connecting again…",
    ended: "The call has ended",
  },
  errors: {
    microphone_refused: "The browser does not allow the microphone here. You can write instead.",
    microphone_missing: "No microphone was found. You can write instead.",
    microphone_changed: "The microphone is gone. The call goes on with the default one.",
    microphone_busy: "Another program uses the microphone. You can write instead.",
    microphone_insecure:
      "This page has no secure connection, so there is no microphone. Please write.",
    sound_suspended: "The browser has paused the sound. Press any button to resume it.",
    full: "Many people are talking with us now. Please wait a moment.",
    busy: "Many people are talking with us now. Please wait a moment.",
    network: "There is no connection. Please try again later.",
    origin_not_allowed: "The assistant is not available on this website.",
  },
  failed: "This did not work. Please try again.",
};

const it: Strings = {
  open: "Parla con noi",
  close: "Chiudi",
  talk: "Parla",
  write: "Preferisco scrivere",
  agree: "Consenti il microfono e parla",
  end: "Termina la chiamata",
  stop: "Ferma la risposta",
  mute: "Chiudi il microfono",
  unmute: "Apri il microfono",
  send: "Invia",
  message: "Il tuo messaggio",
  transcript: "Conversazione",
  you: "Tu",
  consent:
    "Risponde un assistente, non una persona. La tua voce è inviata al server vocale di questo sito.",
  notHeard: "non compreso",
  status: {
    idle: "",
    connecting: "Connessione…",
    listening: "In ascolto",
    ready: "Microfono spento",
    thinking: "Un momento…",
    speaking: "Sta parlando",
    reconnecting: "Nuova connessione…",
    ended: "La chiamata è terminata",
  },
  errors: {
    microphone_refused: "Il browser non consente il microfono qui. Puoi scrivere.",
    microphone_missing: "Nessun microfono trovato. Puoi scrivere.",
    microphone_changed: "Il microfono non c’è più. La chiamata continua con quello predefinito.",
    microphone_busy: "Un altro programma usa il microfono. Puoi scrivere.",
    microphone_insecure:
      "La pagina non è sicura, quindi il microfono non è disponibile. Puoi scrivere.",
    sound_suspended: "Il browser ha messo in pausa l'audio. Premi un pulsante per riprendere.",
    full: "Molte persone stanno parlando con noi. Attendi un momento.",
    busy: "Molte persone stanno parlando con noi. Attendi un momento.",
    network: "Non c'è connessione. Riprova più tardi.",
    origin_not_allowed: "L'assistente non è disponibile su questo sito.",
  },
  failed: "Non ha funzionato. Riprova.",
};

const es: Strings = {
  open: "Habla con nosotros",
  close: "Cerrar",
  talk: "Hablar",
  write: "Prefiero escribir",
  agree: "Permitir el micrófono y hablar",
  end: "Terminar la llamada",
  stop: "Detener la respuesta",
  mute: "Cerrar el micrófono",
  unmute: "Abrir el micrófono",
  send: "Enviar",
  message: "Tu mensaje",
  transcript: "Conversación",
  you: "Tú",
  consent:
    "Responde un asistente, no una persona. Tu voz se envía al servidor de voz de este sitio.",
  notHeard: "no entendido",
  status: {
    idle: "",
    connecting: "Conectando…",
    listening: "Escuchando",
    ready: "Micrófono apagado",
    thinking: "Un momento…",
    speaking: "Hablando",
    reconnecting: "Conectando de nuevo…",
    ended: "La llamada ha terminado",
  },
  errors: {
    microphone_refused: "El navegador no permite el micrófono aquí. Puedes escribir.",
    microphone_missing: "No se encontró ningún micrófono. Puedes escribir.",
    microphone_changed: "El micrófono ya no está. La llamada sigue con el predeterminado.",
    microphone_busy: "Otro programa usa el micrófono. Puedes escribir.",
    microphone_insecure: "La página no es segura, así que no hay micrófono. Puedes escribir.",
    sound_suspended: "El navegador ha pausado el sonido. Pulsa un botón para continuar.",
    full: "Muchas personas están hablando con nosotros. Espera un momento.",
    busy: "Muchas personas están hablando con nosotros. Espera un momento.",
    network: "No hay conexión. Inténtalo más tarde.",
    origin_not_allowed: "El asistente no está disponible en este sitio.",
  },
  failed: "No ha funcionado. Inténtalo de nuevo.",
};

const ALL: Record<string, Strings> = { en, it, es };

/** Return the nearest of `available` to the preferred languages; the first if none is near. */
export function pickLanguage(preferred: readonly string[], available: readonly string[]): string {
  for (const wanted of preferred) {
    const primary = wanted.split("-")[0]!.toLowerCase();
    const found = available.find((one) => one.split("-")[0]!.toLowerCase() === primary);
    if (found) return found;
  }
  return available[0] ?? "en";
}

export const stringsFor = (preferred: readonly string[]): Strings =>
  ALL[pickLanguage(preferred, Object.keys(ALL))] ?? en;
