/** Parts that are loaded only where they are needed: surveys and the picker of elements. */

import type { Context, Start } from "./types.ts";

const TOKEN = "arrivals-picker";

export class Bundles {
  private readonly host: string;
  private readonly starts: Map<string, Start>;
  private readonly context: (more: object) => Context;
  private readonly running = new Map<string, () => void>();
  private readonly wanted = new Map<string, object>();
  private readonly scripts: HTMLScriptElement[] = [];

  /** `starts`: bundles that have registered themselves; it outlives this. */
  constructor(host: string, starts: Map<string, Start>, context: (more: object) => Context) {
    this.host = host;
    this.starts = starts;
    this.context = context;
  }

  /** Load the bundle, unless it is there, and start it with what only it is given. */
  want(name: string, more: object): void {
    if (this.wanted.has(name)) return;
    this.wanted.set(name, more);
    if (this.starts.has(name)) return this.registered(name);
    const script = document.createElement("script");
    script.src = `${this.host}/agent-${name}.js`;
    script.async = true;
    document.head.append(script);
    this.scripts.push(script);
  }

  registered(name: string): void {
    const start = this.starts.get(name);
    const more = this.wanted.get(name);
    if (!start || !more || this.running.has(name)) return;
    this.running.set(name, () => {});
    const end = start(this.context(more));
    if (end) this.running.set(name, end);
  }

  stop(): void {
    for (const end of this.running.values()) end();
    for (const script of this.scripts) script.remove();
    this.running.clear();
    this.wanted.clear();
  }
}

/** The token of the picker, from the address (it is taken out of it) or from earlier in this tab. */
export function pickerToken(): string {
  try {
    const found = new RegExp(`[#&]${TOKEN}=([^&]+)`).exec(location.hash);
    if (found) {
      sessionStorage.setItem(TOKEN, found[1] as string);
      history.replaceState(history.state, "", location.href.replace(found[0], ""));
    }
    return sessionStorage.getItem(TOKEN) || "";
  } catch {
    return "";
  }
}
