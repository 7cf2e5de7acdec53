// The texts of the check page in English.

export const en = {
  title: "Check this device",
  intro: "Each check takes seconds. Nothing that you say is sent or kept.",
  talk: "Back to the conversation",
  test: "Test",
  again: "Test again",
  running: "Testing…",
  speak: "Say something now.",
  level: "Level of the microphone",
  heard: "Did you hear three tones?",
  yes: "Yes",
  no: "No",
  notTested: "Not tested yet",
  report: "Report",
  reportWhy: "Paste it into an issue. It has no address, no name of a device and no secret.",
  copy: "Copy the report",
  copied: "Copied",
  notCopied: "The browser does not let this page copy. Select the text.",
  verdicts: {
    good: "Good",
    poor: "Weak",
    bad: "Does not work",
    unknown: "Not tested",
  },
  names: {
    browser: "Browser",
    secure: "Secure address",
    microphone: "Microphone",
    speaker: "Loudspeaker",
    echo: "Echo",
    websocket: "WebSocket",
    udp: "WebRTC and UDP",
    turn: "TURN server",
  },
  findings: {
    browser_good: { sentence: "This browser has what a call needs.", cause: "" },
    browser_old: {
      sentence: "This browser lacks a part that calls need.",
      cause: "It is old, or a setting turns the part off. Update it, or use another one.",
    },
    browser_insecure: {
      sentence: "The browser hides its audio from this address.",
      cause: "The address is not secure: see the next check.",
    },
    secure_yes: { sentence: "The page came over https, or from this machine.", cause: "" },
    secure_no: {
      sentence: "This address is not secure.",
      cause:
        "Browsers open microphones only over https or on localhost. Ask the person who runs this server for an https address.",
    },
    microphone_heard: {
      sentence: "The microphone hears you. Its loudest level was {value} %.",
      cause: "",
    },
    microphone_quiet: {
      sentence: "The microphone hears little. Its loudest level was {value} %.",
      cause: "It is far away, or its level in the system is low. Speak closer, or raise the level.",
    },
    microphone_silent: {
      sentence: "The microphone is open and sends silence.",
      cause: "It is muted by a key, by a switch or in the system.",
    },
    microphone_refused: {
      sentence: "The browser does not let this page use the microphone.",
      cause: "It was not allowed. Allow it next to the address bar, then test again.",
    },
    microphone_missing: {
      sentence: "No microphone was found.",
      cause: "None is connected, or the system hides it. Plug one in, then test again.",
    },
    microphone_busy: {
      sentence: "The microphone cannot be opened.",
      cause: "Another program may be using it. Close that program, then test again.",
    },
    microphone_insecure: {
      sentence: "The microphone does not work at this address.",
      cause: "Browsers open it only over https or on localhost.",
    },
    speaker_heard: { sentence: "You hear what this page plays.", cause: "" },
    speaker_silent: {
      sentence: "You hear nothing.",
      cause:
        "The volume is down, or the system plays to another device. Choose the device in the system, then test again.",
    },
    speaker_failed: {
      sentence: "The loudspeaker cannot be opened.",
      cause: "None is connected, or another program holds it.",
    },
    echo_none: {
      sentence: "The microphone does not hear the loudspeaker ({value} dB).",
      cause: "",
    },
    echo_some: {
      sentence: "The microphone hears a little of the loudspeaker ({value} dB).",
      cause: "Loud answers may interrupt themselves. Turn the volume down, or use headphones.",
    },
    echo_loud: {
      sentence: "The microphone hears the loudspeaker ({value} dB).",
      cause:
        "The browser does not remove the echo here, so answers interrupt themselves. Use headphones, or push to talk.",
    },
    websocket_good: { sentence: "A WebSocket opens in {value} ms.", cause: "" },
    slow: {
      sentence: "A WebSocket opens in {value} ms, which is slow.",
      cause: "The network is slow, or the server is far away. Answers come late.",
    },
    websocket_blocked: {
      sentence: "WebSockets do not reach the server.",
      cause: "The server is off, or a proxy does not pass on the headers Upgrade and Connection.",
    },
    udp_good: { sentence: "Sound travels over UDP. The call connected in {value} ms.", cause: "" },
    udp_blocked: {
      sentence: "UDP does not reach the server.",
      cause:
        "This network or a firewall blocks it. Calls use a WebSocket instead, which suffers more from a bad network.",
    },
    webrtc_not_offered: {
      sentence: "This server has no calls over WebRTC.",
      cause: "The person who runs it has not installed that part. Calls use a WebSocket.",
    },
    call_refused: {
      sentence: "The server did not accept a test call ({value}).",
      cause: "It may be busy. Test again in a minute.",
    },
    server_unreachable: {
      sentence: "The server cannot be reached.",
      cause: "The network is gone, or the server is off.",
    },
    signed_out: {
      sentence: "This needs a sign-in.",
      cause: "Nobody is signed in to this page. Open the sign-in link, then test again.",
    },
    turn_none: {
      sentence: "This server names no TURN server.",
      cause: "Most networks need none. The person who runs this server can set one.",
    },
    turn_good: { sentence: "The TURN server opened a port in {value} ms.", cause: "" },
    turn_blocked: {
      sentence: "The TURN server does not answer.",
      cause: "It is off, its secret is another one, or this network blocks its port.",
    },
  },
};

export type CheckStrings = typeof en;
