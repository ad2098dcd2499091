/** The agent as a script: takes over what the snippet has queued. */

import { Agent } from "./agent.ts";
import type { Options } from "./types.ts";

const page = window as unknown as { arrivals?: { _q?: [string, unknown[]][]; version?: string } };
if (!page.arrivals?.version) {
  const script = document.currentScript as HTMLScriptElement | null;
  const agent = new Agent(script?.src ? new URL(script.src).origin : "");
  const waiting = page.arrivals?._q || [];
  page.arrivals = agent as never;
  for (const [name, given] of waiting) (agent as any)[name]?.(...given);
  // <script async src=".../agent.js" data-key="wk_...">: for pages that allow no inline script.
  const key = script?.dataset.key;
  if (key) agent.initialize({ key, ...settings(script.dataset) });
}

/** data-visitor, data-consent... of the script's element: texts, and true, false and numbers. */
function settings(data: DOMStringMap): Partial<Options> {
  const read: { [name: string]: unknown } = {};
  for (const [name, value] of Object.entries(data))
    read[name] = value === "true" || value === "" ? true : value === "false" ? false : name === "visitor" || name === "account" ? { id: value } : /Minutes$|Ms$/.test(name) ? Number(value) : value;
  return read as Partial<Options>;
}
