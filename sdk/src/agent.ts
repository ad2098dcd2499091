/** The agent: what the page calls, and what holds the parts together. */

import { clean, pageName } from "./addresses.ts";
import { Bundles, pickerToken } from "./bundles.ts";
import { actions, declined, pages } from "./capture.ts";
import { DEFAULTS, given } from "./options.ts";
import { Queue } from "./queue.ts";
import { Sender } from "./sender.ts";
import { Store } from "./store.ts";
import * as switching from "./switches.ts";
import { bytes, digest, quiet, random, Undo } from "./tools.ts";
import type { Account, Arrivals, Context, Identity, Options, Properties, Start, Traits, Visitor } from "./types.ts";
import { type Who, Identity as Known } from "./who.ts";

export const VERSION = "0.1.0";
const MOST_EVENT = 32_000;
const LONGEST_ID = 512;
/** What a mistake in the page makes of an id that is not there. */
const NOBODY = ["", "null", "undefined", "NaN", "[object Object]", "VISITOR-UNIQUE-ID", "ACCOUNT-UNIQUE-ID"];
const PUBLIC = "initialize identify updateOptions track pageLoad reset optIn optOut flush getVisitorId teardown _extend".split(" ");
const EVENT_KINDS = ["track", "page", "click", "change", "submit", "survey_shown", "survey_answered"];

/** Everything that exists only between initialize() and teardown(). */
interface Running {
  options: Options & { host: string; sessionMinutes: number; flushMs: number };
  store: Store;
  known: Known;
  queue: Queue;
  sender: Sender;
}

export class Agent implements Arrivals {
  readonly version = VERSION;
  private readonly starts = new Map<string, Start>();
  private readonly home: string;
  private run: Running | null = null;
  private early: (() => void)[] = [];
  private readonly undo = new Undo();
  private collecting = false;
  private visitor: Visitor = {};
  private account: Account = {};
  private switches: switching.Switches | null = null;
  private readonly unsure = new Set<string>();
  private bundles: Bundles | null = null;
  private readonly onPages = new Set<(url: string) => void>();
  private readonly onVisitors = new Set<() => void>();
  private referrer = "";
  private last = 0;
  private settled: () => void = () => {};

  /** `home`: where the agent was loaded from. */
  constructor(home = "") {
    this.home = home;
    // They work without `this`, as people hand them on, and never throw into the page.
    for (const name of PUBLIC) (this as any)[name] = quiet((this as any)[name].bind(this));
  }

  initialize(options: Options): void {
    if (this.run) {
      this.warn("initialize() was called again; what it says is taken as updateOptions().");
      return this.updateOptions(options);
    }
    const key = options && options.key;
    const host = ((options && options.host) || this.home).replace(/\/+$/, "");
    if (!key || !host) return this.warn("initialize() needs a key, and a host where the agent is not loaded from it.");
    const store = new Store(key, !!options.crossSubdomain);
    const known = new Known(store);
    const queue = new Queue(store, key);
    const sender = new Sender(queue, host, key, (...words) => this.say(...words));
    this.run = { options: { ...DEFAULTS, ...given(options), host }, store, known, queue, sender };
    this.visitor = options.visitor || {};
    this.account = options.account || {};
    this.adjust();
    const kept = switching.kept(store);
    this.switches = kept.switches;
    this.start();
    if (this.consented() && kept.stale) void this.refresh(this.run);
    for (const call of this.early.splice(0)) call();
  }

  identify(who: Identity | string | number, traits?: Traits): void {
    if (this.wait(() => this.identify(who, traits))) return;
    const told: Identity = who && typeof who === "object" ? who : { visitor: { ...traits, id: who } };
    this.become(told.visitor, told.account);
  }

  updateOptions(options: Partial<Options>): void {
    if (this.wait(() => this.updateOptions(options)) || !this.run) return;
    const { visitor, account, key: _key, host: _host, consent: _consent, crossSubdomain: _wide, ...rest } = options;
    Object.assign(this.run.options, given(rest));
    this.adjust();
    this.become(visitor && { ...this.visitor, ...visitor }, account && { ...this.account, ...account });
    this.start();
  }

  track(name: string, properties?: Properties): void {
    if (this.wait(() => this.track(name, properties))) return;
    if (typeof name !== "string" || !name.trim()) return this.warn("track() needs a name.");
    this.emit("track", name, properties);
  }

  pageLoad(url?: string): void {
    if (this.wait(() => this.pageLoad(url))) return;
    this.page(new URL(url || location.href, location.href).href);
  }

  reset(): void {
    if (this.wait(() => this.reset()) || !this.run) return;
    this.visitor = {};
    this.account = {};
    if (!this.collecting) return;
    this.run.known.reset();
    this.changed();
  }

  optIn(): void {
    if (this.wait(() => this.optIn()) || !this.run) return;
    const { store, options } = this.run;
    options.consent = "granted";
    store.open = true;
    store.share("consent", "yes");
    this.start();
    if (!this.switches) void this.refresh(this.run);
  }

  optOut(): void {
    if (this.wait(() => this.optOut()) || !this.run) return;
    const { store, queue } = this.run;
    queue.clear();
    this.end();
    store.clear();
    store.open = true;
    store.share("consent", "no");
  }

  flush(): Promise<void> {
    return this.run && this.collecting ? this.run.sender.flush() : Promise.resolve();
  }

  getVisitorId(): string {
    const who = this.who();
    return who ? who.u || who.a : "";
  }

  teardown(): void {
    this.end();
    this.run = null;
    this.early = [];
    this.onPages.clear();
    this.onVisitors.clear();
  }

  _extend(name: string, start: Start): void {
    this.starts.set(name, start);
    this.bundles?.registered(name);
  }

  // Starting and ending

  /** Collect, where nothing speaks against it. */
  private start(): void {
    const run = this.run;
    if (!run || !this.consented()) return;
    const may = !(declined() && switching.respects(run.options, this.switches));
    if (may === this.collecting) return;
    if (!may) return this.end();
    if ((document as { prerendering?: boolean }).prerendering)
      return document.addEventListener("prerenderingchange", () => this.start(), { once: true });
    this.collecting = true;
    run.store.opened();
    this.become(this.visitor, this.account);
    const token = pickerToken();
    const wants = (kind: string) => switching.captures(kind, run.options, this.switches);
    const masks = () => switching.masks(run.options, this.switches);
    this.referrer = document.referrer;
    this.settled = pages(this.undo, (url) => this.seen(url));
    actions(this.undo, wants, masks, (kind, name, properties) => {
      this.settled();
      this.emit(kind, name, { ...properties, title: document.title }, true);
    });
    // Somebody opted out in another tab.
    this.undo.listen(window, "storage", () => {
      if (this.consented()) return;
      run.queue.clear();
      this.end();
    });
    run.queue.start(() => run.sender.soon());
    run.sender.start();
    this.seen(location.href);
    this.bundles = new Bundles(run.options.host, this.starts, (more) => this.context(run, more));
    if (token) this.bundles.want("picker", { token });
    void this.survey();
  }

  private end(): void {
    this.collecting = false;
    this.bundles?.stop();
    this.bundles = null;
    this.undo.run();
    this.run?.sender.stop();
    this.run?.queue.stop();
  }

  private consented(): boolean {
    const run = this.run;
    const said = run && run.store.shared("consent");
    return !!run && said !== "no" && (said === "yes" || run.options.consent !== "pending");
  }

  private adjust(): void {
    if (!this.run) return;
    const { options, known, sender } = this.run;
    known.minutes = options.sessionMinutes;
    sender.flushMs = options.flushMs;
  }

  /** Read the switches of the source. What was captured before they were known is put right, if it still waits. */
  private async refresh(run: Running): Promise<void> {
    const switches = await switching.ask(run.options.host, run.options.key);
    if (!switches || run !== this.run || !this.consented()) return;
    switching.keep(run.store, switches);
    this.switches = switches;
    const off = (event: any) => this.unsure.has(event.messageId) && !switching.captures(event.type, run.options, switches);
    run.queue.sift((event) => !off(event));
    this.unsure.clear();
    this.start();
  }

  /** Load the surveys, where the server names one for this visitor. */
  private async survey(): Promise<void> {
    const run = this.run;
    const who = this.who();
    if (!run || !who || !run.options.surveys) return;
    const { host, key } = run.options;
    const query = new URLSearchParams({ key, visitor: who.u, anonymous: who.a });
    try {
      const answer = await fetch(`${host}/v1/surveys?${query}`, { credentials: "omit" });
      const told = answer.ok ? await answer.json() : null;
      const surveys = Array.isArray(told) ? told : told && told.surveys;
      if (surveys && surveys.length && run === this.run) this.bundles?.want("surveys", { surveys });
    } catch {
      // asked again by the next page
    }
  }

  private context(run: Running, more: object): Context {
    const listen = <T>(all: Set<T>, listener: T) => (all.add(listener), () => void all.delete(listener));
    return {
      host: run.options.host,
      key: run.options.key,
      options: run.options,
      visitor: () => this.who()?.u || "",
      anonymous: () => this.who()?.a || "",
      account: () => this.who()?.g || "",
      session: () => this.who()?.s || "",
      emit: (type, name, properties) => this.emit(type, name, properties),
      track: (name, properties) => this.track(name, properties),
      onPage: (listener) => (listener(location.href), listen(this.onPages, listener)),
      onVisitor: (listener) => listen(this.onVisitors, listener),
      ...more,
    };
  }

  // Who

  private who(): Who | null {
    return this.run && this.collecting ? this.run.known.read() : null;
  }

  /** This visitor is here, in this account; it is told to the server where that is new. */
  private become(visitor?: Visitor, account?: Account): void {
    const run = this.run;
    if (!run) return;
    // Another visitor does not bring the account of the one before.
    if (account) this.account = account;
    else if (visitor && this.visitor.id && visitor.id !== this.visitor.id) this.account = {};
    if (visitor) this.visitor = visitor;
    if (!this.collecting) return;
    const user = this.id(this.visitor.id, "visitor");
    const group = this.id(this.account.id, "account");
    const before = run.known.read();
    // Another user on this browser is not who the anonymous id was.
    if (user && before.u && before.u !== user) run.known.reset();
    const who = run.known.active(location.href);
    const traits = without(this.visitor);
    const facts = without(this.account);
    const told = digest(JSON.stringify([user || who.u, group, traits, facts, who.s]));
    const other = (user && user !== who.u) || (group && group !== who.g);
    if (user) who.u = user;
    if (group) who.g = group;
    const news = told !== who.h && (user || group || Object.keys(traits).length);
    if (news) who.h = told;
    if (other || news) run.known.write(who);
    if (news) {
      if (user || Object.keys(traits).length) this.put({ type: "identify", anonymousId: who.a, traits }, who);
      if (group) this.put({ type: "group", traits: facts }, who);
    }
    if (other) this.changed();
  }

  private changed(): void {
    for (const listener of this.onVisitors) listener();
    if (this.bundles) void this.survey();
  }

  private id(given: unknown, what: string): string {
    if (given === null || given === undefined) return "";
    const id = String(given).trim();
    if (!NOBODY.includes(id) && id.length <= LONGEST_ID) return id;
    this.warn(`${JSON.stringify(given)} is not an id of ${what === "visitor" ? "a visitor" : "an account"}; it was left out.`);
    return "";
  }

  // Events

  /** The address is another page. */
  private seen(url: string): void {
    if (this.run && switching.captures("page", this.run.options, this.switches)) this.page(url, true);
    for (const listener of this.onPages) listener(url);
  }

  private page(url: string, auto = false): void {
    this.emit("page", pageName(url), { title: document.title, referrer: clean(this.referrer) }, auto, url);
    this.referrer = url;
  }

  private emit(type: string, name: string, properties: Properties = {}, auto = false, url = location.href): void {
    if (!this.run || !this.collecting) return;
    if (!EVENT_KINDS.includes(type)) return this.warn(`${type} is not a kind of event.`);
    if (!auto && type !== "page") this.settled();
    const who = this.run.known.active(url);
    const all = { ...who.c, session: who.s, ...properties };
    const what = type === "track" ? { event: name.trim().slice(0, 255) } : { name: String(name).slice(0, 255) };
    const id = this.put({ type, ...what, properties: all, context: { page: { url: clean(url) } } }, who);
    if (auto && !this.switches) this.unsure.add(id);
  }

  private put(event: { type: string; [name: string]: unknown }, who: Who): string {
    const run = this.run as Running;
    const { type, ...rest } = event;
    const messageId = random();
    const made = {
      type,
      messageId,
      timestamp: new Date(this.now()).toISOString(),
      ...(who.u ? { userId: who.u } : { anonymousId: who.a }),
      ...(who.g && { groupId: who.g }),
      ...rest,
    };
    const told = run.options.beforeSend ? run.options.beforeSend(made) : made;
    if (!told) return "";
    let text = "";
    try {
      text = JSON.stringify(told);
    } catch (error) {
      this.warn(`${type} was dropped: ${error}`);
      return "";
    }
    if (bytes(text) > MOST_EVENT) {
      this.warn(`${type} was dropped: an event may have ${MOST_EVENT} bytes.`);
      return "";
    }
    this.say("info", "captured", told);
    run.queue.add(text);
    run.sender.soon();
    return messageId;
  }

  /** Later than the event before, so that their order can be told. */
  private now(): number {
    return (this.last = Math.max(Date.now(), this.last + 1));
  }

  // Talking

  /** Before initialize(), keep the call for then. */
  private wait(call: () => void): boolean {
    if (this.run) return false;
    if (this.early.length < 100) this.early.push(call);
    return true;
  }

  private say(level: "info" | "warn", ...words: unknown[]): void {
    if (this.run?.options.debug) console[level]("arrivals:", ...words);
  }

  private warn(text: string): void {
    console.warn("arrivals: " + text);
  }
}

const without = ({ id: _id, ...traits }: Traits): Traits => traits;
