/** Where the agent keeps what must outlive a page: localStorage, else memory; who is here also in a cookie. */

const YEAR = 31_536_000;

export class Store {
  private readonly prefix: string;
  private readonly memory = new Map<string, string>();
  private readonly local: Storage | null;
  private readonly cookie: string;
  private readonly domain: boolean;
  /** While false, nothing is written outside of memory. */
  open = false;

  constructor(key: string, domain: boolean) {
    this.prefix = `arrivals:${key.slice(-8)}:`;
    this.cookie = `arrivals_${key.slice(-8)}_`;
    this.local = usable();
    this.domain = domain;
  }

  get(name: string): string | null {
    const held = this.memory.get(name);
    return held !== undefined ? held : this.local && this.local.getItem(this.prefix + name);
  }

  /** False where the browser refused it: it is kept in memory. */
  set(name: string, value: string): boolean {
    if (this.open && this.local)
      try {
        this.local.setItem(this.prefix + name, value);
        this.memory.delete(name);
        return true;
      } catch {
        // full, or forbidden meanwhile
      }
    this.memory.set(name, value);
    return !this.local;
  }

  remove(name: string): void {
    this.memory.delete(name);
    this.local?.removeItem(this.prefix + name);
  }

  /** Names that begin with `start`, as stored. */
  names(start: string): string[] {
    const found = [...this.memory.keys()].filter((name) => name.startsWith(start));
    for (let at = 0; this.local && at < this.local.length; at++) {
      const name = this.local.key(at) || "";
      if (name.startsWith(this.prefix + start)) found.push(name.slice(this.prefix.length));
    }
    return found;
  }

  /** Who is here, or consent: in a cookie where subdomains share it or there is nothing else. */
  shared(name: "who" | "consent"): string | null {
    return (this.byCookie && readCookie(this.cookie + name)) || this.get(name);
  }

  share(name: "who" | "consent", value: string): void {
    this.set(name, value);
    if (this.open && this.byCookie) writeCookie(this.cookie + name, value, YEAR, this.domain);
  }

  /** Write down what was held in memory so far. */
  opened(): void {
    this.open = true;
    for (const [name, value] of [...this.memory]) this.set(name, value);
  }

  /** Delete all of it. */
  clear(): void {
    for (const name of this.names("")) this.remove(name);
    for (const name of ["who", "consent"])
      if (readCookie(this.cookie + name)) writeCookie(this.cookie + name, "", 0, this.domain);
  }

  private get byCookie(): boolean {
    return this.domain || !this.local;
  }
}

function usable(): Storage | null {
  try {
    const store = window.localStorage;
    store.setItem("arrivals:try", "");
    store.removeItem("arrivals:try");
    return store;
  } catch {
    return null;
  }
}

function readCookie(name: string): string {
  const found = document.cookie.split("; ").find((one) => one.startsWith(name + "="));
  return found ? decodeURIComponent(found.slice(name.length + 1)) : "";
}

/** On the widest domain that the browser allows, where `wide`. */
function writeCookie(name: string, value: string, seconds: number, wide: boolean): void {
  const text = `${name}=${encodeURIComponent(value)}; path=/; max-age=${seconds}; samesite=lax${location.protocol === "https:" ? "; secure" : ""}`;
  const parts = location.hostname.split(".");
  for (let count = 2; wide && count <= parts.length; count++) {
    document.cookie = `${text}; domain=${parts.slice(-count).join(".")}`;
    if (readCookie(name) === value) return;
  }
  document.cookie = text;
}
