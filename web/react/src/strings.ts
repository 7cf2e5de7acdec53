// The texts of the components. A page may replace each of them.

import type { ChatStatus } from "./status";

export interface Strings {
  connect: string;
  disconnect: string;
  mute: string;
  unmute: string;
  stop: string;
  send: string;
  message: string;
  transcript: string;
  you: string;
  assistant: string;
  notUnderstood: string;
  approve: string;
  reject: string;
  tool: string;
  status: Record<ChatStatus, string>;
  errors: Record<string, string>;
  failed: string;
}

const en: Strings = {
  connect: "Connect",
  disconnect: "Disconnect",
  mute: "Close the microphone",
  unmute: "Open the microphone",
  stop: "Stop the answer",
  send: "Send",
  message: "Your message",
  transcript: "Conversation",
  you: "You",
  assistant: "Assistant",
  notUnderstood: "not understood",
  approve: "Allow",
  reject: "Refuse",
  tool: "Tool",
  status: {
    idle: "Not connected",
    asking_permission: "Please allow the microphone",
    connecting: "Connecting…",
    listening: "Listening",
    thinking: "Thinking…",
    using_tool: "Looking it up…",
    speaking: "Speaking",
    reconnecting: "Connecting again…",
    ended: "The call has ended",
  },
  errors: {
    microphone_refused: "The browser does not allow the microphone. Allow it in the address bar.",
    microphone_missing: "No microphone was found. You can write.",
    microphone_changed: "The microphone is gone. The call goes on with the default one.",
    microphone_busy: "Another program uses the microphone.",
    microphone_insecure: "A microphone needs a page with https.",
    sound_suspended: "The browser has paused the sound. Press any button to resume it.",
    busy: "The server is busy. It connects again by itself.",
    full: "A limit is reached. It connects again by itself.",
    network: "The server cannot be reached.",
    not_signed_in: "You are not signed in.",
  },
  failed: "This did not work. Please try again.",
};

const it: Strings = {
  connect: "Connetti",
  disconnect: "Disconnetti",
  mute: "Chiudi il microfono",
  unmute: "Apri il microfono",
  stop: "Ferma la risposta",
  send: "Invia",
  message: "Il tuo messaggio",
  transcript: "Conversazione",
  you: "Tu",
  assistant: "Assistente",
  notUnderstood: "non compreso",
  approve: "Consenti",
  reject: "Rifiuta",
  tool: "Strumento",
  status: {
    idle: "Non connesso",
    asking_permission: "Consenti il microfono",
    connecting: "Connessione…",
    listening: "In ascolto",
    thinking: "Un momento…",
    using_tool: "Sto cercando…",
    speaking: "Sta parlando",
    reconnecting: "Nuova connessione…",
    ended: "La chiamata è terminata",
  },
  errors: {
    microphone_refused:
      "Il browser non consente il microfono. Consentilo nella barra degli indirizzi.",
    microphone_missing: "Nessun microfono trovato. Puoi scrivere.",
    microphone_changed: "Il microfono non c’è più. La chiamata continua con quello predefinito.",
    microphone_busy: "Un altro programma usa il microfono.",
    microphone_insecure: "Il microfono richiede una pagina con https.",
    sound_suspended: "Il browser ha messo in pausa l'audio. Premi un pulsante per riprendere.",
    busy: "Il server è occupato. Si riconnette da solo.",
    full: "È stato raggiunto un limite. Si riconnette da solo.",
    network: "Il server non è raggiungibile.",
    not_signed_in: "Non hai effettuato l'accesso.",
  },
  failed: "Non ha funzionato. Riprova.",
};

const es: Strings = {
  connect: "Conectar",
  disconnect: "Desconectar",
  mute: "Cerrar el micrófono",
  unmute: "Abrir el micrófono",
  stop: "Detener la respuesta",
  send: "Enviar",
  message: "Tu mensaje",
  transcript: "Conversación",
  you: "Tú",
  assistant: "Asistente",
  notUnderstood: "no entendido",
  approve: "Permitir",
  reject: "Rechazar",
  tool: "Herramienta",
  status: {
    idle: "Sin conexión",
    asking_permission: "Permite el micrófono",
    connecting: "Conectando…",
    listening: "Escuchando",
    thinking: "Un momento…",
    using_tool: "Consultando…",
    speaking: "Hablando",
    reconnecting: "Conectando de nuevo…",
    ended: "La llamada ha terminado",
  },
  errors: {
    microphone_refused:
      "El navegador no permite el micrófono. Permítelo en la barra de direcciones.",
    microphone_missing: "No se encontró ningún micrófono. Puedes escribir.",
    microphone_changed: "El micrófono ya no está. La llamada sigue con el predeterminado.",
    microphone_busy: "Otro programa usa el micrófono.",
    microphone_insecure: "El micrófono necesita una página con https.",
    sound_suspended: "El navegador ha pausado el sonido. Pulsa un botón para continuar.",
    busy: "El servidor está ocupado. Se conecta de nuevo por sí mismo.",
    full: "Se ha alcanzado un límite. Se conecta de nuevo por sí mismo.",
    network: "No se puede acceder al servidor.",
    not_signed_in: "No has iniciado sesión.",
  },
  failed: "No ha funcionado. Inténtalo de nuevo.",
};

const ALL: Record<string, Strings> = { en, it, es };

/** Return the texts in a language, or in English. `own` replaces some of them. */
export function stringsFor(language: string | undefined, own: Partial<Strings> = {}): Strings {
  const found = ALL[(language ?? "en").split("-")[0]!.toLowerCase()] ?? en;
  return { ...found, ...own };
}
