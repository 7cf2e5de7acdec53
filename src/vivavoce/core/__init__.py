"""The rules of a call. They are pure: inputs and the time go in, effects come out.

    inputs ──► machine ──► effects       `receive`, `effects`, `next_deadline`, `on_deadline`

There are three machines. `session` answers the user with an engine. `transcription` composes the
same parts for input audio, and makes no responses. `relay` stands between a client and an upstream
that holds the session; its package has a map of its own.

`inputs` and `effects` list what each machine takes and queues. `call_settings` has what a machine
is set up with, and the parts that its collaborators share.

`session` decides what follows from each input. It composes:

    validation        validates client requests, before anything changes
    input_audio       the input audio buffer: audio → turns → items, and the recogniser's input
      turns             the start and the end of the user's turns
      level_gate        ignores voices that are softer than the user's
      utterance_ending  classifies the end of an utterance by its words
      transcripts       the transcripts of the user's items
    responder         begins, feeds and ends responses, and answers what waits for one
    replies           the responses in progress: announced, requested, fed, ended
      reply             the events of one response, in the protocol's order
      usage             its tokens, and their limit
      response_options  the options in which it differs from the session
      context_window    the items that the brain reads, if the conversation is long
      token_bucket      tokens per minute
    tool_calls        calls of the server's own tools, until all outputs are known
    tool_speech       the filler, and texts of tools
    mcp_tool_lists    the lists of the tools of MCP servers
    mcp_tools         these tools as functions for a brain
    mcp_calls         their calls and approvals
    playout           the playout queue, if the server paces the audio (WebRTC, telephone)
    idle_prompt       answers a silence after a reply (`idle_timeout_ms`)
    inactivity        ends a call in which the user does nothing
    lifetime          ends a call at its maximum duration
    limits            how much one call may hold
    conversation      the items in order: a fold over server events, shared with relay and recorder
    item_editor       commands of clients about items
      item_sound        the audio inside them
    audio_cache       the audio of items, for clients that retrieve them
    ledger            how much of an answer was generated, sent and heard
    effect_queue      effects in order; stamps each event and folds it into the conversation
    locked_fields     removes fields that a browser may not change (in `app`, and in the relay)
    upstream_session  what a relay sends to a new upstream
    error_routing     routes an upstream's errors to the sideband that caused them
    ids               ids as the protocol spells them
    types             values and names that several packages share

An interruption, step by step:

 1. `AudioReceived` brings two frames in a row that pass the gate and that `turns` takes for speech.
 2. `input_audio` sends `speech_started` and requests `Listen`, with the audio before the onset.
 3. `responder.interrupt`: if the server paces the audio, `playout.clear` requests `Hush`, and sends
    the client and the ledger how much was heard. Over a WebSocket the client reports that itself,
    with `conversation.item.truncate`.
 4. `responder._end`: `reply.end` closes what is open, with status `cancelled` and reason
    `turn_detected`; then `Cancel`. The driver performs the `Hush`es and `Cancel`s of a batch before
    its events, so the audio stops first. Later results of the engine name a response that is over,
    and are ignored.
 5. In the silence after the user's words, `turns` reports the end of the turn, `input_audio`
    commits it as an item, and `responder.answer_turn` begins the next response. The brain is asked
    when the transcript is known. Of the interrupted answer it reads what `ledger.as_heard` returns:
    the words that were heard, and a dash.
"""
