/** The public words of the agent. This file is the package's declaration file: it imports nothing. */

/** What is known of a visitor or an account. Objects become dotted names, null unsets a field. */
export type Traits = { [name: string]: unknown };

/** A visitor: `id` is yours; without one the visitor stays anonymous. */
export type Visitor = Traits & { id?: string | number | null };

/** An account: the company, team or project that a visitor belongs to. */
export type Account = Traits & { id?: string | number | null };

export type Properties = { [name: string]: unknown };

/** What is captured without a call. */
export interface Autocapture {
  page?: boolean;
  click?: boolean;
  change?: boolean;
  submit?: boolean;
}

export interface Options {
  /** The source's write key. Public: it can only send. */
  key: string;
  /** Address of your Arrivals. Where the agent was loaded from, unless set. */
  host?: string;
  visitor?: Visitor;
  account?: Account;
  /** All kinds (true), none (false), or each by name. */
  autocapture?: boolean | Autocapture;
  /** Never take the text of elements. */
  maskText?: boolean;
  /** Collect nothing from browsers that send Do Not Track or Global Privacy Control. */
  respectDnt?: boolean;
  /** "pending": nothing is collected or stored until optIn(). */
  consent?: "granted" | "pending";
  /** Keep the visitor's id in a cookie of the whole domain, so that subdomains share it. */
  crossSubdomain?: boolean;
  /** Minutes without an event after which a new session begins. */
  sessionMinutes?: number;
  /** Milliseconds that an event may wait for others, to be sent together. */
  flushMs?: number;
  /** Called with each event before it is kept: may change it, or drop it by returning null. */
  beforeSend?: (event: { [name: string]: any }) => { [name: string]: any } | null;
  /** Show the surveys of the source. */
  surveys?: boolean;
  /** Say in the console what is captured, sent, refused and dropped. */
  debug?: boolean;
}

/** What identify() and updateOptions() take, besides options that may change. */
export interface Identity {
  visitor?: Visitor;
  account?: Account;
}

/** What a bundle that is loaded later (surveys, picker) is given. */
export interface Context {
  readonly host: string;
  readonly key: string;
  /** The options as they hold now. */
  readonly options: Readonly<Options>;
  /** The surveys that the server named when the bundle was loaded, as it sent them. */
  readonly surveys?: unknown[];
  /** The picker's token. */
  readonly token?: string;
  /** The visitor's id, empty while anonymous. */
  visitor(): string;
  anonymous(): string;
  account(): string;
  session(): string;
  /** Capture an event of any kind, such as survey_shown. */
  emit(type: string, name: string, properties?: Properties): void;
  track(name: string, properties?: Properties): void;
  /** Calls with the address now and at each change of it; returns how to stop that. */
  onPage(listener: (url: string) => void): () => void;
  /** Calls each time that another visitor or account is here; returns how to stop that. */
  onVisitor(listener: () => void): () => void;
}

/** Starts a bundle; may return what ends it, without a trace. */
export type Start = (context: Context) => void | (() => void);

export interface Arrivals {
  readonly version: string;
  /** Start. Calls made before it wait for it. */
  initialize(options: Options): void;
  /** Say who is here: identify({visitor, account}), or identify("user-1", {plan: "pro"}). */
  identify(who: Identity | string | number, traits?: Traits): void;
  /** Change options, or what is known of the visitor and account. */
  updateOptions(options: Partial<Options>): void;
  track(name: string, properties?: Properties): void;
  /** A page view, where autocapture of pages is off or does not see it. */
  pageLoad(url?: string): void;
  /** Forget the visitor, at sign-out: who comes next is somebody else. */
  reset(): void;
  optIn(): void;
  /** Stop, and delete all that is stored in the browser. */
  optOut(): void;
  /** Send what waits. Resolves when it is delivered, or could not be for now. */
  flush(): Promise<void>;
  /** The visitor's id, or the anonymous id; empty while nothing may be stored. */
  getVisitorId(): string;
  /** Remove every listener and timer. What waits stays stored for the next start. */
  teardown(): void;
  /** For bundles that are loaded later. */
  _extend(name: string, start: Start): void;
}
