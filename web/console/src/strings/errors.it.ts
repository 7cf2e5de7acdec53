// The sentence and the cause of each error in Italian.

import type { ErrorCode } from "@vivavoce/client";

import type { ErrorText } from "./errors.en";

export const errors: Record<ErrorCode, ErrorText> = {
  not_signed_in: {
    sentence: "L’accesso è scaduto.",
    cause: "È passato troppo tempo, oppure qualcuno lo ha chiuso.",
  },
  revoked: {
    sentence: "L’accesso a questa chiamata è stato revocato.",
    cause: "Lo ha chiuso chi gestisce il server. La conversazione è conservata.",
  },
  refused: {
    sentence: "Il server non ha accettato questa chiamata.",
    cause: "Le sue impostazioni o i tuoi diritti non la permettono.",
  },
  busy: {
    sentence: "Il server è occupato.",
    cause: "Ora non ha posto per un’altra voce. Puoi aspettare, oppure scrivere.",
  },
  full: {
    sentence: "Il server è occupato, anche per chi scrive.",
    cause: "È raggiunto un limite di chiamate.",
  },
  unavailable: {
    sentence: "Il server ora non può accettare la chiamata.",
    cause:
      "Una parte che gli serve non risponde, per esempio il modello linguistico. Ciò che hai scritto è conservato.",
  },
  origin_not_allowed: {
    sentence: "Il server non riconosce {origin} come suo indirizzo.",
    cause: "Chi lo gestisce deve impostare server.public_url su questo indirizzo.",
  },
  upgrade_missing: {
    sentence: "I WebSocket non arrivano al server.",
    cause:
      "Se davanti c’è un proxy, deve inoltrare le intestazioni Upgrade e Connection. Chiedi a chi gestisce il server.",
  },
  webrtc_unavailable: {
    sentence: "Qui WebRTC non funziona.",
    cause: "Questa rete blocca UDP, o questo server non lo offre.",
  },
  conversation_deleted: {
    sentence: "Questa conversazione è stata cancellata, perciò la chiamata è finita.",
    cause: "È stata cancellata in un’altra finestra o sul server.",
  },
  continued_elsewhere: {
    sentence: "Questa conversazione continua in un’altra finestra.",
    cause: "Ci può parlare una finestra alla volta.",
  },
  sound_insecure: {
    sentence: "Qui le risposte arrivano per iscritto.",
    cause:
      "I browser riproducono e registrano audio solo con https o su localhost. Chiedi a chi gestisce il server.",
  },
  sound_failed: {
    sentence: "L’altoparlante non si apre.",
    cause: "Forse è scollegato, o lo tiene un altro programma. Le risposte arrivano per iscritto.",
  },
  sound_suspended: {
    sentence: "L’audio è in pausa.",
    cause: "Il browser o il sistema ha messo in pausa l’audio.",
  },
  new_conversation: {
    sentence: "Il server non ha più la conversazione di prima: questa è nuova.",
    cause: "Quella di prima è stata cancellata.",
  },
  transcription_failed: {
    sentence: "Non sono riuscito a sentirlo.",
    cause: "Il riconoscimento non ha dato parole. Puoi scriverlo.",
  },
  network: {
    sentence: "Il server non si raggiunge.",
    cause: "Manca la rete, o il server è spento. La conversazione è conservata.",
  },
  slow: {
    sentence: "Una parte di ciò che hai detto non è arrivata.",
    cause: "La rete è troppo lenta per l’audio.",
  },
  response_failed: {
    sentence: "Questa risposta non è riuscita.",
    cause: "Il modello linguistico o la voce non l’ha data. Chiedi di nuovo.",
  },
  server: {
    sentence: "Il server segnala un problema.",
    cause: "Non ha accettato l’ultima richiesta. La chiamata continua.",
  },
  microphone_refused: {
    sentence: "Il browser non concede il microfono a questa pagina.",
    cause: "Non è stato consentito. Consentilo accanto all’indirizzo e riprova.",
  },
  microphone_missing: {
    sentence: "Non trovo un microfono.",
    cause: "Non ce n’è uno collegato, o il sistema lo nasconde. Collegane uno e riprova.",
  },
  microphone_busy: {
    sentence: "Il microfono non si apre.",
    cause: "Forse lo usa un altro programma.",
  },
  microphone_insecure: {
    sentence: "A questo indirizzo il microfono non funziona.",
    cause: "I browser lo aprono solo con https o su localhost. Chiedi a chi gestisce il server.",
  },
  microphone_changed: {
    sentence: "Il microfono non c’è più.",
    cause: "È stato scollegato. La chiamata continua con quello predefinito.",
  },
};
