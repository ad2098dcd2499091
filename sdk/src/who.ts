/** Who is here, and in which session. Read from the store before each use: other tabs change it too. */

import type { Store } from "./store.ts";
import { random } from "./tools.ts";

/** Short names: the record may stand in a cookie. */
export interface Who {
  /** Anonymous id. */
  a: string;
  /** User id, account id: empty while unknown. */
  u: string;
  g: string;
  /** Digest of the traits that were told last, and the session they were told in. */
  h: string;
  /** Session: its id, the time of its last event, and what brought the visitor (utm_... of its first page). */
  s: string;
  t: number;
  c: { [name: string]: string };
}

const CAMPAIGN = ["source", "medium", "campaign", "term", "content"];
const STEP_MS = 5_000; // the time of the last event is written at most this often

export class Identity {
  private readonly store: Store;
  minutes = 0;

  constructor(store: Store) {
    this.store = store;
  }

  read(): Who {
    try {
      const who = JSON.parse(this.store.shared("who") || "");
      if (who && typeof who.a === "string") return { u: "", g: "", h: "", s: "", t: 0, c: {}, ...who };
    } catch {
      // none yet, or not ours
    }
    const who = { a: "anon_" + random(), u: "", g: "", h: "", s: "", t: 0, c: {} };
    this.write(who);
    return who;
  }

  write(who: Who): void {
    this.store.share("who", JSON.stringify(who));
  }

  /** The record, in a session that is alive: it ends after `minutes` without an event. */
  active(url: string): Who {
    const who = this.read();
    const now = Date.now();
    if (!who.s || now - who.t > this.minutes * 60_000 || who.t > now + 60_000) {
      who.s = random();
      who.c = campaign(url);
      who.t = 0;
    }
    if (now - who.t > STEP_MS) {
      who.t = now;
      this.write(who);
    }
    return who;
  }

  /** Somebody else: nothing of the one before stays. */
  reset(): void {
    this.write({ a: "anon_" + random(), u: "", g: "", h: "", s: "", t: 0, c: {} });
  }
}

/** The utm_... parameters of an address. */
export function campaign(url: string): { [name: string]: string } {
  const found: { [name: string]: string } = {};
  try {
    const query = new URL(url).searchParams;
    for (const name of CAMPAIGN) {
      const value = query.get("utm_" + name);
      if (value) found["utm_" + name] = value.slice(0, 200);
    }
  } catch {
    // not an address
  }
  return found;
}
