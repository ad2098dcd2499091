/** What is set on the source's page. The stricter of this and the page's own options holds. */

import type { Store } from "./store.ts";
import type { Autocapture, Options } from "./types.ts";

export interface Switches {
  autocapture: Autocapture;
  mask_text: boolean;
  respect_dnt: boolean;
}

const FRESH_MS = 300_000;

/** As they were told last, and whether that is so long ago that they should be asked for again. */
export function kept(store: Store): { switches: Switches | null; stale: boolean } {
  try {
    const { at, ...switches } = JSON.parse(store.get("switches") || "");
    return { switches, stale: !(Date.now() - at < FRESH_MS) };
  } catch {
    return { switches: null, stale: true };
  }
}

export const keep = (store: Store, switches: Switches): void =>
  void store.set("switches", JSON.stringify({ ...switches, at: Date.now() }));

/** Ask for them; null where there is no answer. */
export async function ask(host: string, key: string): Promise<Switches | null> {
  try {
    const answer = await fetch(`${host}/v1/agent?key=${encodeURIComponent(key)}`, { credentials: "omit" });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

export const captures = (kind: string, options: Partial<Options>, switches: Switches | null): boolean => {
  const own = options.autocapture ?? true;
  const name = kind as keyof Autocapture;
  return (typeof own === "boolean" ? own : (own[name] ?? true)) && (switches?.autocapture?.[name] ?? true);
};

/** Before the switches are known the strict reading holds. */
export const masks = (options: Partial<Options>, switches: Switches | null): boolean =>
  !!options.maskText || (switches ? switches.mask_text : true);

export const respects = (options: Partial<Options>, switches: Switches | null): boolean =>
  !!options.respectDnt || (switches ? switches.respect_dnt : true);
