// Tools that run in the page.

import type { FunctionCall } from "./protocol";

/** A function that the assistant may call in the page. Its return value is sent back as JSON. */
export type Tool = (args: unknown) => unknown;

/** Tools by name. `*` takes the calls that no other tool takes. */
export type Tools = Readonly<Record<string, Tool>>;

export interface ToolResult {
  readonly callId: string;
  readonly output: string;
}

/** Run the calls that the page has a tool for, at the same time. A tool that throws returns its error. */
export function runTools(tools: Tools, calls: readonly FunctionCall[]): Promise<ToolResult[]> {
  const runs = calls.flatMap(({ call_id, name, arguments: args }) => {
    const tool = Object.hasOwn(tools, name) ? tools[name] : tools["*"];
    return tool ? [run(tool, args).then((output) => ({ callId: call_id, output }))] : [];
  });
  return Promise.all(runs);
}

async function run(tool: Tool, args: string): Promise<string> {
  try {
    return JSON.stringify((await tool(JSON.parse(args))) ?? null);
  } catch (error) {
    return JSON.stringify({ error: error instanceof Error ? error.message : String(error) });
  }
}
