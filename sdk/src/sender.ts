/** Sends what the queue holds, again until the server has answered. */

import type { Entry, Queue } from "./queue.ts";
import { bytes, Undo } from "./tools.ts";

export const FIRST_WAIT_MS = 1_000;
export const LONGEST_WAIT_MS = 300_000;
const MOST_PIECE = 200;
const SOON = 30; // events that are sent without waiting for more
const TIMEOUT_MS = 30_000;

/** How long to wait after the n-th failure in a row: doubling, anywhere in the upper half of it; never before `after`. */
export function wait(failures: number, after: number, chance = Math.random()): number {
  const most = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (failures - 1));
  return Math.max(after, (most * (1 + chance)) / 2);
}

export type Say = (level: "info" | "warn", ...words: unknown[]) => void;

export class Sender {
  flushMs = 0;
  private readonly queue: Queue;
  private readonly host: string;
  private readonly key: string;
  private readonly say: Say;
  private readonly busy = new Set<Entry>();
  private readonly undo = new Undo();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private running: Promise<void> | null = null;
  private failures = 0;
  private notBefore = 0;
  private most = MOST_PIECE;
  private on = false;

  constructor(queue: Queue, host: string, key: string, say: Say) {
    this.queue = queue;
    this.host = host;
    this.key = key;
    this.say = say;
  }

  start(): void {
    this.on = true;
    this.undo.listen(window, "online", () => ((this.notBefore = 0), this.flush()));
    this.undo.listen(window, "pagehide", () => this.leave());
    this.undo.listen(document, "visibilitychange", () => document.visibilityState === "hidden" && this.leave());
    this.soon();
  }

  stop(): void {
    this.leave();
    this.on = false;
    clearTimeout(this.timer);
    this.timer = undefined;
    this.undo.run();
  }

  /** Something waits. */
  soon(): void {
    if (!this.on || !this.queue.entries.length) return;
    const now = this.notBefore ? 0 : this.queue.entries.length - this.busy.size;
    if (now >= SOON) void this.flush();
    else if (this.timer === undefined) this.at(Math.max(this.flushMs, this.notBefore - Date.now()));
  }

  /** Send all that waits, piece by piece. */
  flush(): Promise<void> {
    if (!this.on) return Promise.resolve();
    clearTimeout(this.timer);
    this.timer = undefined;
    return (this.running ||= this.run().finally(() => ((this.running = null), this.soon())));
  }

  private async run(): Promise<void> {
    if (navigator.onLine === false) return this.failed(0, "the browser is offline");
    for (let piece; this.on && (piece = this.queue.piece(this.busy, this.most)).length; )
      if (!(await this.send(piece))) return;
  }

  private at(ms: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.flush(), ms);
  }

  /** The page may be gone in a moment: hand everything to the browser at once. It is forgotten only when answered. */
  private leave(): void {
    if (!this.on || this.failures || navigator.onLine === false) return; // it is stored, and sent by the next page
    for (let piece; (piece = this.queue.piece(this.busy, this.most)).length; ) void this.send(piece);
  }

  /** Whether the piece is settled. */
  private async send(piece: Entry[]): Promise<boolean> {
    const dropped = this.queue.dropped;
    const body =
      `{"writeKey":${JSON.stringify(this.key)},"sentAt":"${new Date().toISOString()}","agent":"web"` +
      `${dropped ? `,"dropped":${dropped}` : ""},"batch":[${piece.map((one) => one.text).join(",")}]}`;
    const url = this.host + "/v1/batch";
    for (const one of piece) this.busy.add(one);
    this.queue.trying(piece);
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), TIMEOUT_MS);
    try {
      // Plain text, so that no browser asks for leave first (CORS).
      const answer = await fetch(url, {
        method: "POST",
        body,
        keepalive: bytes(body) < 64_000,
        headers: { "content-type": "text/plain" },
        credentials: "omit",
        signal: abort.signal,
      });
      const told = await answer.json().catch(() => null);
      return this.answered(piece, answer, told, dropped);
    } catch (error) {
      // No room left for requests that outlive a page: a beacon may have some. It answers nothing, so nothing is settled.
      if (document.visibilityState === "hidden") navigator.sendBeacon?.(url, body);
      this.failed(0, String(error));
      return false;
    } finally {
      clearTimeout(timer);
      for (const one of piece) this.busy.delete(one);
    }
  }

  private answered(piece: Entry[], answer: Response, told: any, dropped: number): boolean {
    const status = answer.status;
    if (status === 413 && piece.length > 1) {
      this.most = piece.length >> 1;
      return true;
    }
    if (status === 408 || status === 429 || status >= 500) {
      this.failed(seconds(answer.headers.get("retry-after")), `the server answered ${status}`);
      return false;
    }
    this.failures = this.notBefore = 0;
    this.queue.settle(piece);
    if (dropped && answer.ok) this.queue.told(dropped);
    const refused = told && told.refused;
    if (refused && refused.length) this.say("warn", "refused", refused);
    else if (!answer.ok) this.say("warn", `dropped ${piece.length} events: the server answered ${status}`, told);
    else this.say("info", `delivered ${piece.length} events`);
    return true;
  }

  private failed(after: number, why: string): void {
    const ms = wait(++this.failures, after * 1_000);
    this.notBefore = Date.now() + ms;
    this.say("info", `could not send (${why}); again in ${Math.round(ms / 1_000)} s`);
    if (this.on) this.at(ms);
  }
}

/** Retry-After in seconds, or as a date. */
export function seconds(header: string | null, now = Date.now()): number {
  if (!header) return 0;
  const given = Number(header);
  const left = Number.isNaN(given) ? (Date.parse(header) - now) / 1_000 : given;
  return left > 0 ? Math.min(left, 3_600) : 0;
}
