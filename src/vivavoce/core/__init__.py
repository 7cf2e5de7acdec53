"""The rules of a call. No tasks, no clock, no sockets: inputs and the time go in, effects come out.

    inputs ──► session ──► effects       `receive`, `effects`, `next_deadline`, `on_deadline`

`session` says what follows from what. What it composes, each in a page or two:

    judgement     may the client have this, as things stand? Asked before anything changes
    hearing       the input audio buffer: sound → turns → items, and what the recogniser gets
      turns         when somebody starts and stops speaking      gate    whose voice counts
      pauses        how does the sentence end, so far?           transcripts    the words of it
    replies       the responses being made: begun, asked for, fed, ended
      reply         the events of one in their order             usage   its tokens, and their limit
      options       what it does otherwise than the session
      context       what of a long conversation the engine reads     rates   tokens per minute
    calls         function calls of the server's own tools, and when their outputs are complete
    playout       the loudspeaker's queue, where it is ours (WebRTC, SIP)
    patience      how long silence after a reply may last
    idleness      how long nothing at all may happen
    lifetime      how long it may last, whatever happens
    limits        how much one call may hold
    conversation  the items in order: a fold over server events, shared with relay and recorder
    editing       what a client does to the items themselves
    sounds        what items sound like, for who retrieves them
    ledger        said, sent and heard: what the brain may believe was understood
    ids           what things are called
    outgoing      effects in order; stamps each event and folds it at once

A barge-in, from sound to silence:

 1. `Heard` brings two frames in a row that `gate` lets pass and `turns` takes for speech.
 2. `hearing` sends `speech_started` and asks to `Listen`, beginning before the first sound.
 3. `session._interrupt`: where we feed the loudspeaker, `playout.clear` asks to `Hush`, and tells
    the client and the ledger how much was heard. Over a WebSocket the client does that itself, with
    `conversation.item.truncate`.
 4. `session._end_reply`: `reply.end` closes what is open, status `cancelled`, reason
    `turn_detected`; then `Cancel`. Whoever performs a batch of effects does its `Hush`es and
    `Cancel`s first: silence comes before the news of it. What the engine still produces bears the
    id of a response that is gone, and is ignored.
 5. Silence: `turns` says so, `hearing` commits the turn as an item, `session._respond` begins the
    next response. The brain is asked when the words are known, and remembers of its interrupted
    answer what `ledger.as_heard` gives: the words that were heard, and a dash.

`dictation` is the second machine, a transcription session: the same parts without those that make
responses. `relay` is the third: between a client and an upstream that has a session of its own,
which it tells (`retelling`) whose assistant it is; what control connections say to it, and whose
fault it is if it complains, is in `sidebands`. What a browser may not change is in `locks`.
"""
