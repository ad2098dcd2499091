/**
 * Events that are not delivered for certain, one stored entry each, so that a page may die at any moment.
 *
 * An entry's name is q:<tab>:<time>:<number>. A tab sends only its own. It shows that it lives by a Web Lock, or where
 * there are none by a time that it renews; the entries of a tab that does neither are taken over by another. Two that
 * take the same entry both send it, with the same message id: it counts once.
 */

import type { Store } from "./store.ts";
import { bytes, random, Undo } from "./tools.ts";

export const MOST_EVENTS = 1_000;
export const MOST_BYTES = 1_000_000;
export const PIECE_BYTES = 60_000; // of one request: browsers send 64 KB after a page has gone
const BEAT_MS = 20_000;
const DEAD_MS = 180_000; // timers of hidden tabs run once a minute
/** The server knows a message id for 7 days: what may have arrived before that must not be sent again. */
const UNSURE_MS = 6.5 * 86_400_000;

export interface Entry {
  name: string;
  text: string;
  size: number;
}

export class Queue {
  entries: Entry[] = [];
  /** Events that were given up for want of room, until the server was told. */
  dropped = 0;
  private readonly store: Store;
  private readonly tab = random().slice(0, 12);
  private readonly sent = new Set<string>();
  private readonly lock: string;
  private readonly undo = new Undo();
  private size = 0;
  private count = 0;
  private letGo: (() => void) | null = null;

  constructor(store: Store, key: string) {
    this.store = store;
    this.lock = `arrivals:${key.slice(-8)}:`;
    this.dropped = Number(store.get("dropped")) || 0;
  }

  /** Hold this tab's queue, and take over those of tabs that have died. */
  start(changed: () => void): void {
    const beat = () => this.locks || this.store.set("tab:" + this.tab, String(Date.now()));
    const adopt = () => this.adopt(changed);
    this.hold();
    beat();
    adopt();
    // The page before this one may still be letting go of its lock.
    const soon = setTimeout(adopt, 1_500);
    this.undo.add(() => clearTimeout(soon));
    this.undo.every(BEAT_MS, () => (beat(), adopt()));
    this.undo.listen(window, "pagehide", () => this.release());
    this.undo.listen(window, "pageshow", (event) => {
      if (!event.persisted) return;
      this.hold();
      beat();
      this.again();
      changed();
    });
  }

  stop(): void {
    this.release();
    this.undo.run();
  }

  /** `text`: the event as JSON. */
  add(text: string): void {
    const name = `q:${this.tab}:${Date.now().toString(36)}:${(this.count++).toString(36)}`;
    this.push({ name, text, size: 0 });
  }

  /** The next entries that fit into one request, without those in `but`. */
  piece(but: Set<Entry>, most: number): Entry[] {
    const piece: Entry[] = [];
    let room = PIECE_BYTES;
    for (const one of this.entries) {
      if (but.has(one)) continue;
      if (piece.length >= most || (piece.length && one.size > room)) break;
      room -= one.size + 1;
      piece.push(one);
    }
    return piece;
  }

  /** They are about to be sent: from now on it is not known whether they arrived. */
  trying(piece: Entry[]): void {
    for (const one of piece)
      if (!this.sent.has(one.name)) {
        this.sent.add(one.name);
        this.store.set("t" + one.name, String(Date.now()));
      }
  }

  /** They arrived, or never will: forget them. */
  settle(piece: Entry[]): void {
    const gone = new Set(piece);
    this.entries = this.entries.filter((one) => !gone.has(one) || this.forget(one));
  }

  /** Remove the waiting events for which `keep` says no. */
  sift(keep: (event: any) => boolean): void {
    this.settle(this.entries.filter((one) => !keep(JSON.parse(one.text))));
  }

  told(count: number): void {
    this.dropped -= count;
    this.store.set("dropped", String(this.dropped));
  }

  clear(): void {
    this.settle(this.entries);
  }

  private push(entry: Entry): void {
    entry.size = bytes(entry.text);
    this.entries.push(entry);
    this.size += entry.size;
    while (this.entries.length > MOST_EVENTS || this.size > MOST_BYTES) this.drop();
    while (!this.store.set(entry.name, entry.text) && this.store.open && this.entries.length > 1) this.drop();
  }

  /** Give up the oldest; who somebody is goes last, since history hangs on it. */
  private drop(): void {
    const oldest = this.entries.find((one) => !one.text.startsWith('{"type":"identify"')) || this.entries[0];
    if (!oldest) return;
    this.settle([oldest]);
    this.told(-1);
    console.warn("arrivals: too much waits to be sent; the oldest event was dropped.");
  }

  private forget(entry: Entry): false {
    this.size -= entry.size;
    this.store.remove(entry.name);
    if (this.sent.delete(entry.name)) this.store.remove("t" + entry.name);
    return false;
  }

  private get locks(): LockManager | undefined {
    return navigator.locks;
  }

  private hold(): void {
    // A page that holds a lock is not kept for the way back: therefore it is let go in pagehide.
    this.locks?.request(this.lock + this.tab, () => new Promise<void>((done) => (this.letGo = done))).catch(() => {});
  }

  private release(): void {
    this.letGo?.();
    this.letGo = null;
    this.store.remove("tab:" + this.tab);
  }

  /** What of this tab's is still stored: others may have taken and sent it meanwhile. */
  private again(): void {
    this.entries = this.entries.filter((one) => this.store.get(one.name) !== null || this.forget(one));
  }

  private adopt(changed: () => void): void {
    const tabs = new Set(this.store.names("q:").map((name) => name.split(":")[1] as string));
    tabs.delete(this.tab);
    for (const tab of tabs) {
      if (this.locks)
        this.locks
          .request(this.lock + tab, { ifAvailable: true }, (lock) => lock && this.take(tab, changed))
          .catch(() => {});
      else if (Date.now() - Number(this.store.get("tab:" + tab)) > DEAD_MS) this.take(tab, changed);
    }
  }

  private take(tab: string, changed: () => void): void {
    const own = `q:${tab}:`;
    for (const name of this.store.names(own).sort()) {
      const text = this.store.get(name);
      if (text === null) continue;
      const tried = Number(this.store.get("t" + name));
      const moved = { name: `q:${this.tab}:${name.slice(own.length)}.${tab}`, text, size: 0 };
      if (tried && Date.now() - tried > UNSURE_MS) this.told(-1);
      else {
        if (tried) {
          this.sent.add(moved.name);
          this.store.set("t" + moved.name, String(tried));
        }
        this.push(moved);
      }
      this.store.remove(name);
      this.store.remove("t" + name);
    }
    this.store.remove("tab:" + tab);
    this.entries.sort((one, other) => (when(one) < when(other) ? -1 : 1));
    changed();
  }
}

/** Times in base 36 have the same length until the year 2059. */
const when = (entry: Entry): string => entry.name.split(":")[2] || "";
