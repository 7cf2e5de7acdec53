// The texts of the check page in Spanish.

import type { CheckStrings } from "./en";

export const es: CheckStrings = {
  title: "Comprobar este dispositivo",
  intro: "Cada comprobación dura segundos. Nada de lo que digas se envía ni se guarda.",
  talk: "Volver a la conversación",
  test: "Probar",
  again: "Probar otra vez",
  running: "Probando…",
  speak: "Di algo ahora.",
  level: "Nivel del micrófono",
  heard: "¿Oíste tres tonos?",
  yes: "Sí",
  no: "No",
  notTested: "Sin probar",
  report: "Informe",
  reportWhy:
    "Pégalo en un informe de error. No contiene direcciones, nombres de dispositivos ni secretos.",
  copy: "Copiar el informe",
  copied: "Copiado",
  notCopied: "El navegador no deja copiar a esta página. Selecciona el texto.",
  verdicts: {
    good: "Bien",
    poor: "Flojo",
    bad: "No funciona",
    unknown: "Sin probar",
  },
  names: {
    browser: "Navegador",
    secure: "Dirección segura",
    microphone: "Micrófono",
    speaker: "Altavoz",
    echo: "Eco",
    websocket: "WebSocket",
    udp: "WebRTC y UDP",
    turn: "Servidor TURN",
  },
  findings: {
    browser_good: { sentence: "Este navegador tiene lo que una llamada necesita.", cause: "" },
    browser_old: {
      sentence: "A este navegador le falta una parte que las llamadas necesitan.",
      cause: "Es antiguo, o un ajuste la desactiva. Actualízalo o usa otro.",
    },
    browser_insecure: {
      sentence: "El navegador oculta su sonido a esta dirección.",
      cause: "La dirección no es segura: mira la comprobación siguiente.",
    },
    secure_yes: { sentence: "La página llegó por https, o desde este equipo.", cause: "" },
    secure_no: {
      sentence: "Esta dirección no es segura.",
      cause:
        "Los navegadores abren el micrófono solo con https o en localhost. Pide una dirección https a quien lleva el servidor.",
    },
    microphone_heard: {
      sentence: "El micrófono te oye. Su nivel más alto fue {value} %.",
      cause: "",
    },
    microphone_quiet: {
      sentence: "El micrófono oye poco. Su nivel más alto fue {value} %.",
      cause: "Está lejos, o su nivel en el sistema es bajo. Habla más cerca o súbelo.",
    },
    microphone_silent: {
      sentence: "El micrófono está abierto y envía silencio.",
      cause: "Está silenciado con una tecla, un interruptor o en el sistema.",
    },
    microphone_refused: {
      sentence: "El navegador no deja usar el micrófono.",
      cause: "No se permitió. Permítelo junto a la dirección y prueba otra vez.",
    },
    microphone_missing: {
      sentence: "No hay micrófono.",
      cause: "No hay ninguno conectado, o el sistema lo oculta. Conecta uno y prueba otra vez.",
    },
    microphone_busy: {
      sentence: "El micrófono no se abre.",
      cause: "Quizá lo use otro programa. Ciérralo y prueba otra vez.",
    },
    microphone_insecure: {
      sentence: "En esta dirección no funciona el micrófono.",
      cause: "Los navegadores lo abren solo con https o en localhost.",
    },
    speaker_heard: { sentence: "Oyes lo que reproduce esta página.", cause: "" },
    speaker_silent: {
      sentence: "No oyes nada.",
      cause:
        "El volumen está bajo, o el sistema suena en otro dispositivo. Elige el dispositivo en el sistema y prueba otra vez.",
    },
    speaker_failed: {
      sentence: "El altavoz no se abre.",
      cause: "No hay ninguno conectado, o lo tiene otro programa.",
    },
    echo_none: { sentence: "El micrófono no oye el altavoz ({value} dB).", cause: "" },
    echo_some: {
      sentence: "El micrófono oye un poco el altavoz ({value} dB).",
      cause:
        "Las respuestas fuertes podrían interrumpirse solas. Baja el volumen o usa auriculares.",
    },
    echo_loud: {
      sentence: "El micrófono oye el altavoz ({value} dB).",
      cause:
        "Aquí el navegador no quita el eco, así que las respuestas se interrumpen solas. Usa auriculares o pulsa para hablar.",
    },
    websocket_good: { sentence: "Un WebSocket se abre en {value} ms.", cause: "" },
    slow: {
      sentence: "Un WebSocket se abre en {value} ms, y es lento.",
      cause: "La red va lenta, o el servidor está lejos. Las respuestas llegan tarde.",
    },
    websocket_blocked: {
      sentence: "Los WebSocket no llegan al servidor.",
      cause: "El servidor está apagado, o un proxy no pasa las cabeceras Upgrade y Connection.",
    },
    udp_good: {
      sentence: "El sonido pasa por UDP. La llamada se conectó en {value} ms.",
      cause: "",
    },
    udp_blocked: {
      sentence: "UDP no llega al servidor.",
      cause:
        "Lo bloquea esta red o un cortafuegos. Las llamadas usan un WebSocket, que sufre más con una mala red.",
    },
    webrtc_not_offered: {
      sentence: "Este servidor no tiene llamadas por WebRTC.",
      cause: "Quien lo lleva no instaló esa parte. Las llamadas usan un WebSocket.",
    },
    call_refused: {
      sentence: "El servidor no aceptó una llamada de prueba ({value}).",
      cause: "Quizá esté ocupado. Prueba otra vez en un minuto.",
    },
    server_unreachable: {
      sentence: "No se alcanza el servidor.",
      cause: "Falta la red, o el servidor está apagado.",
    },
    signed_out: {
      sentence: "Para esto hace falta una sesión.",
      cause: "Nadie ha iniciado sesión en esta página. Abre el enlace de acceso y prueba otra vez.",
    },
    turn_none: {
      sentence: "Este servidor no indica un servidor TURN.",
      cause: "La mayoría de las redes no lo necesita. Quien lleva el servidor puede indicar uno.",
    },
    turn_good: { sentence: "El servidor TURN abrió un puerto en {value} ms.", cause: "" },
    turn_blocked: {
      sentence: "El servidor TURN no responde.",
      cause: "Está apagado, tiene otro secreto, o esta red bloquea su puerto.",
    },
  },
};
