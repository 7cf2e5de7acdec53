// The texts of the check page in Italian.

import type { CheckStrings } from "./en";

export const it: CheckStrings = {
  title: "Controlla questo dispositivo",
  intro: "Ogni controllo dura pochi secondi. Nulla di ciò che dici viene inviato o conservato.",
  talk: "Torna alla conversazione",
  test: "Prova",
  again: "Prova ancora",
  running: "Prova in corso…",
  speak: "Di’ qualcosa adesso.",
  level: "Livello del microfono",
  heard: "Hai sentito tre suoni?",
  yes: "Sì",
  no: "No",
  notTested: "Non ancora provato",
  report: "Rapporto",
  reportWhy:
    "Incollalo in una segnalazione. Non contiene indirizzi, nomi di dispositivi o segreti.",
  copy: "Copia il rapporto",
  copied: "Copiato",
  notCopied: "Il browser non permette a questa pagina di copiare. Seleziona il testo.",
  verdicts: {
    good: "Bene",
    poor: "Debole",
    bad: "Non funziona",
    unknown: "Non provato",
  },
  names: {
    browser: "Browser",
    secure: "Indirizzo sicuro",
    microphone: "Microfono",
    speaker: "Altoparlante",
    echo: "Eco",
    websocket: "WebSocket",
    udp: "WebRTC e UDP",
    turn: "Server TURN",
  },
  findings: {
    browser_good: { sentence: "Questo browser ha ciò che serve a una chiamata.", cause: "" },
    browser_old: {
      sentence: "A questo browser manca una parte che serve alle chiamate.",
      cause: "È vecchio, o un’impostazione la disattiva. Aggiornalo, o usane un altro.",
    },
    browser_insecure: {
      sentence: "Il browser nasconde l’audio a questo indirizzo.",
      cause: "L’indirizzo non è sicuro: vedi il controllo che segue.",
    },
    secure_yes: { sentence: "La pagina è arrivata con https, o da questo computer.", cause: "" },
    secure_no: {
      sentence: "Questo indirizzo non è sicuro.",
      cause:
        "I browser aprono il microfono solo con https o su localhost. Chiedi un indirizzo https a chi gestisce il server.",
    },
    microphone_heard: {
      sentence: "Il microfono ti sente. Il livello più alto è stato {value} %.",
      cause: "",
    },
    microphone_quiet: {
      sentence: "Il microfono sente poco. Il livello più alto è stato {value} %.",
      cause:
        "È lontano, o nel sistema il suo livello è basso. Parla più vicino, o alza il livello.",
    },
    microphone_silent: {
      sentence: "Il microfono è aperto e manda silenzio.",
      cause: "È disattivato da un tasto, da un interruttore o nel sistema.",
    },
    microphone_refused: {
      sentence: "Il browser non concede il microfono a questa pagina.",
      cause: "Non è stato consentito. Consentilo accanto all’indirizzo e prova ancora.",
    },
    microphone_missing: {
      sentence: "Non trovo un microfono.",
      cause: "Non ce n’è uno collegato, o il sistema lo nasconde. Collegane uno e prova ancora.",
    },
    microphone_busy: {
      sentence: "Il microfono non si apre.",
      cause: "Forse lo usa un altro programma. Chiudilo e prova ancora.",
    },
    microphone_insecure: {
      sentence: "A questo indirizzo il microfono non funziona.",
      cause: "I browser lo aprono solo con https o su localhost.",
    },
    speaker_heard: { sentence: "Senti ciò che questa pagina riproduce.", cause: "" },
    speaker_silent: {
      sentence: "Non senti nulla.",
      cause:
        "Il volume è basso, o il sistema suona su un altro dispositivo. Scegli il dispositivo nel sistema e prova ancora.",
    },
    speaker_failed: {
      sentence: "L’altoparlante non si apre.",
      cause: "Non ce n’è uno collegato, o lo tiene un altro programma.",
    },
    echo_none: { sentence: "Il microfono non sente l’altoparlante ({value} dB).", cause: "" },
    echo_some: {
      sentence: "Il microfono sente un poco l’altoparlante ({value} dB).",
      cause:
        "Le risposte forti potrebbero interrompersi da sole. Abbassa il volume, o usa le cuffie.",
    },
    echo_loud: {
      sentence: "Il microfono sente l’altoparlante ({value} dB).",
      cause:
        "Qui il browser non toglie l’eco, perciò le risposte si interrompono da sole. Usa le cuffie, o premi per parlare.",
    },
    websocket_good: { sentence: "Un WebSocket si apre in {value} ms.", cause: "" },
    slow: {
      sentence: "Un WebSocket si apre in {value} ms, ed è lento.",
      cause: "La rete è lenta, o il server è lontano. Le risposte arrivano tardi.",
    },
    websocket_blocked: {
      sentence: "I WebSocket non arrivano al server.",
      cause: "Il server è spento, o un proxy non inoltra le intestazioni Upgrade e Connection.",
    },
    udp_good: {
      sentence: "L’audio passa con UDP. La chiamata si è collegata in {value} ms.",
      cause: "",
    },
    udp_blocked: {
      sentence: "UDP non arriva al server.",
      cause:
        "Lo blocca questa rete o un firewall. Le chiamate usano un WebSocket, che soffre di più una rete cattiva.",
    },
    webrtc_not_offered: {
      sentence: "Questo server non ha chiamate con WebRTC.",
      cause: "Chi lo gestisce non ha installato quella parte. Le chiamate usano un WebSocket.",
    },
    call_refused: {
      sentence: "Il server non ha accettato una chiamata di prova ({value}).",
      cause: "Forse è occupato. Prova ancora tra un minuto.",
    },
    server_unreachable: {
      sentence: "Il server non si raggiunge.",
      cause: "Manca la rete, o il server è spento.",
    },
    signed_out: {
      sentence: "Per questo serve un accesso.",
      cause: "Nessuno è collegato a questa pagina. Apri il link di accesso e prova ancora.",
    },
    turn_none: {
      sentence: "Questo server non indica un server TURN.",
      cause: "La maggior parte delle reti ne fa a meno. Chi gestisce il server può indicarne uno.",
    },
    turn_good: { sentence: "Il server TURN ha aperto una porta in {value} ms.", cause: "" },
    turn_blocked: {
      sentence: "Il server TURN non risponde.",
      cause: "È spento, ha un altro segreto, o questa rete blocca la sua porta.",
    },
  },
};
