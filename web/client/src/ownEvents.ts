// The events of a Vivavoce server outside of the protocol. A call gets them if its option `events`
// names `vivavoce`. The fields are those of docs/reference/http.md, "Our own events".

/** `requested`: the run waits for an approval. `unknown`: it was interrupted, and may have happened. */
export type RunState = "requested" | "approved" | "started" | "done" | "failed" | "unknown";

/** A person who must agree before a tool runs. */
export type Approver = "user" | "staff";

/** Where an answer comes from. */
export interface Source {
  id: string;
  /** The file, relative to the folder of the assistant. */
  source: string;
  /** Where in the file, such as "page 3" or "row 12". "": the file has no such places. */
  place: string;
  title: string;
  /** 0 to 1. */
  score: number;
  revision: string;
}

/** A run as `GET /api/approvals/{run_id}` has it. */
export interface ToolRun {
  id: string;
  tool: string;
  /** A JSON object. */
  arguments: string;
  arguments_sha256: string;
  state: RunState;
  approve: Approver | "never";
  approved_by: string | null;
  tool_call_id: string | null;
  expires_at: string | null;
  result: string | null;
}

export type OwnEvent =
  | { type: "vivavoce.call"; call_id: string; conversation_id: string }
  | { type: "vivavoce.tool.started"; call_id: string; name: string }
  | { type: "vivavoce.tool.progress"; call_id: string; text: string }
  | {
      type: "vivavoce.tool.done";
      call_id: string;
      name: string;
      run_id: string;
      state: RunState;
    }
  | {
      type: "vivavoce.approval.requested";
      run_id: string;
      call_id: string;
      name: string;
      arguments: string;
      arguments_sha256: string;
      approve: Approver;
      expires_at: string | null;
    }
  | { type: "vivavoce.sources"; item_id: string; sources: readonly Source[] }
  | { type: "vivavoce.closing"; code: number; reason: string }; // the last one on a data channel
