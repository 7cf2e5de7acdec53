// The sentence and the cause of each error in English.

import type { ErrorCode } from "@vivavoce/client";

export interface ErrorText {
  sentence: string;
  cause: string;
}

export const errors: Record<ErrorCode, ErrorText> = {
  not_signed_in: {
    sentence: "You are no longer signed in.",
    cause: "The sign-in has expired, or somebody ended it.",
  },
  revoked: {
    sentence: "Access to this call was withdrawn.",
    cause: "The person who runs this server ended it. Your conversation is kept.",
  },
  refused: {
    sentence: "The server did not accept this call.",
    cause: "Its settings or your rights do not allow it.",
  },
  busy: {
    sentence: "The server is busy.",
    cause: "It has no room for another voice now. You can wait, or write.",
  },
  full: { sentence: "The server is busy, for writing too.", cause: "A limit of calls is used up." },
  unavailable: {
    sentence: "The server cannot take this call now.",
    cause:
      "A part that it needs does not answer, such as its language model. Your messages are kept.",
  },
  origin_not_allowed: {
    sentence: "The server does not know {origin} as its own address.",
    cause: "The person who runs it must set server.public_url to this address.",
  },
  upgrade_missing: {
    sentence: "WebSockets do not reach the server.",
    cause:
      "If a proxy is in front of it, the proxy must pass on the headers Upgrade and Connection. Ask the person who runs this server.",
  },
  webrtc_unavailable: {
    sentence: "WebRTC does not work here.",
    cause: "This network blocks UDP, or this server does not offer it.",
  },
  conversation_deleted: {
    sentence: "This conversation was deleted, so the call ended.",
    cause: "It was deleted in another window, or on the server.",
  },
  continued_elsewhere: {
    sentence: "This conversation goes on in another window.",
    cause: "Only one window at a time can speak in it.",
  },
  sound_insecure: {
    sentence: "Answers come in writing here.",
    cause:
      "Browsers play and record sound only over https or on localhost. Ask the person who runs this server.",
  },
  sound_failed: {
    sentence: "The loudspeaker cannot be opened.",
    cause: "It may be unplugged, or another program may hold it. Answers come in writing.",
  },
  sound_suspended: {
    sentence: "The sound is paused.",
    cause: "The browser or the system has paused the sound.",
  },
  new_conversation: {
    sentence: "The server no longer has the earlier conversation, so this is a new one.",
    cause: "The earlier one was deleted.",
  },
  transcription_failed: {
    sentence: "I could not hear this.",
    cause: "The recogniser gave no words. You can type it instead.",
  },
  network: {
    sentence: "The server cannot be reached.",
    cause: "The network is gone, or the server is off. Your conversation is kept.",
  },
  slow: {
    sentence: "Part of your speech was not sent.",
    cause: "The network is too slow for sound.",
  },
  response_failed: {
    sentence: "That answer failed.",
    cause: "The language model or the voice did not deliver it. Ask again.",
  },
  server: {
    sentence: "The server reports a problem.",
    cause: "It did not take the last request. The call goes on.",
  },
  microphone_refused: {
    sentence: "The browser does not let this page use the microphone.",
    cause: "It was not allowed. Allow it next to the address bar, then try again.",
  },
  microphone_missing: {
    sentence: "No microphone was found.",
    cause: "None is connected, or the system hides it. Plug one in and try again.",
  },
  microphone_busy: {
    sentence: "The microphone cannot be opened.",
    cause: "Another program may be using it.",
  },
  microphone_insecure: {
    sentence: "The microphone does not work at this address.",
    cause: "Browsers open it only over https or on localhost. Ask the person who runs this server.",
  },
  microphone_changed: {
    sentence: "The microphone is gone.",
    cause: "It was unplugged. The call goes on with the default one.",
  },
};
