// The sentence and the cause of each error in Spanish.

import type { ErrorCode } from "@vivavoce/client";

import type { ErrorText } from "./errors.en";

export const errors: Record<ErrorCode, ErrorText> = {
  not_signed_in: {
    sentence: "Tu sesión ha caducado.",
    cause: "Ha pasado demasiado tiempo, o alguien la cerró.",
  },
  revoked: {
    sentence: "Se ha retirado el acceso a esta llamada.",
    cause: "Lo cerró quien lleva el servidor. La conversación se conserva.",
  },
  refused: {
    sentence: "El servidor no aceptó esta llamada.",
    cause: "Sus ajustes o tus permisos no la permiten.",
  },
  busy: {
    sentence: "El servidor está ocupado.",
    cause: "Ahora no tiene sitio para otra voz. Puedes esperar o escribir.",
  },
  full: {
    sentence: "El servidor está ocupado, también para escribir.",
    cause: "Se alcanzó un límite de llamadas.",
  },
  unavailable: {
    sentence: "El servidor no puede atender ahora la llamada.",
    cause:
      "Una parte que necesita no responde, como su modelo de lenguaje. Lo que escribiste se conserva.",
  },
  origin_not_allowed: {
    sentence: "El servidor no reconoce {origin} como su dirección.",
    cause: "Quien lo lleva debe poner esta dirección en server.public_url.",
  },
  upgrade_missing: {
    sentence: "Los WebSocket no llegan al servidor.",
    cause:
      "Si hay un proxy delante, debe pasar las cabeceras Upgrade y Connection. Pregunta a quien lleva el servidor.",
  },
  webrtc_unavailable: {
    sentence: "WebRTC no funciona aquí.",
    cause: "Esta red bloquea UDP, o este servidor no lo ofrece.",
  },
  conversation_deleted: {
    sentence: "Esta conversación se ha borrado, así que la llamada terminó.",
    cause: "Se borró en otra ventana o en el servidor.",
  },
  continued_elsewhere: {
    sentence: "Esta conversación sigue en otra ventana.",
    cause: "Solo una ventana a la vez puede hablar en ella.",
  },
  sound_insecure: {
    sentence: "Aquí las respuestas llegan por escrito.",
    cause:
      "Los navegadores reproducen y graban sonido solo con https o en localhost. Pregunta a quien lleva el servidor.",
  },
  sound_failed: {
    sentence: "El altavoz no se abre.",
    cause: "Quizá esté desconectado o lo tenga otro programa. Las respuestas llegan por escrito.",
  },
  sound_suspended: {
    sentence: "El sonido está en pausa.",
    cause: "El navegador o el sistema ha pausado el sonido.",
  },
  new_conversation: {
    sentence: "El servidor ya no tiene la conversación anterior: esta es nueva.",
    cause: "La anterior se borró.",
  },
  transcription_failed: {
    sentence: "No he podido oír esto.",
    cause: "El reconocedor no dio palabras. Puedes escribirlo.",
  },
  network: {
    sentence: "No se alcanza el servidor.",
    cause: "Falta la red, o el servidor está apagado. La conversación se conserva.",
  },
  slow: {
    sentence: "Parte de lo que dijiste no llegó.",
    cause: "La red va demasiado lenta para el sonido.",
  },
  response_failed: {
    sentence: "Esa respuesta falló.",
    cause: "El modelo de lenguaje o la voz no la dio. Pregunta otra vez.",
  },
  server: {
    sentence: "El servidor informa de un problema.",
    cause: "No aceptó la última petición. La llamada sigue.",
  },
  microphone_refused: {
    sentence: "El navegador no deja usar el micrófono.",
    cause: "No se permitió. Permítelo junto a la dirección y reintenta.",
  },
  microphone_missing: {
    sentence: "No hay micrófono.",
    cause: "No hay ninguno conectado, o el sistema lo oculta. Conecta uno y reintenta.",
  },
  microphone_busy: { sentence: "El micrófono no se abre.", cause: "Quizá lo use otro programa." },
  microphone_insecure: {
    sentence: "En esta dirección no funciona el micrófono.",
    cause:
      "Los navegadores lo abren solo con https o en localhost. Pregunta a quien lleva el servidor.",
  },
  microphone_changed: {
    sentence: "El micrófono ya no está.",
    cause: "Se desconectó. La llamada sigue con el predeterminado.",
  },
};
