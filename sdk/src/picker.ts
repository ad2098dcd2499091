/**
 * The picker: a person points at an element of their own site, sees what was captured of it, and gives it a name.
 *
 * It is loaded by a signed link only. While it is there, clicks and keys do nothing on the site and are not captured.
 */

import * as elements from "./elements.ts";
import { Panel } from "./panel.ts";
import type { Context, Start } from "./types.ts";

const TOKEN = "arrivals-picker";
/** What would make the site do something. */
const ACTING =
  "pointerdown pointerup mousedown mouseup click dblclick auxclick contextmenu touchstart touchend submit change beforeinput dragstart";

interface Rule {
  selector?: string;
  text?: { is?: string; contains?: string };
  url?: { [match: string]: string };
}

interface Found {
  rule: Rule;
  events: number;
  visitors: number;
  named: string[];
}

export class Picker {
  private readonly context: Context;
  private readonly panel: Panel;
  private current: Element | null = null;
  private chosen: Element | null = null;
  private kind: "feature" | "page" = "feature";
  private rule: Rule = {};
  private asked = 0;
  /** The person uses the site. */
  private resting = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly undo: (() => void)[] = [];

  constructor(context: Context) {
    this.context = context;
    this.panel = new Panel({
      page: () => this.page(),
      element: () => this.again(),
      site: () => this.rest(),
      wider: () => this.choose(this.chosen?.parentElement || null),
      selector: (text) => this.rewritten(text),
      withText: (on) => this.textual(on),
      save: (name) => void this.save(name),
      end: () => this.end(),
    });
    const on = (target: EventTarget, names: string, listener: (event: any) => void): void => {
      for (const name of names.split(" ")) {
        // The window's capture phase comes before the agent's own listener and the site's.
        target.addEventListener(name, listener, { capture: true, passive: false });
        this.undo.push(() => target.removeEventListener(name, listener, { capture: true }));
      }
    };
    on(window, ACTING, (event: Event) => this.acted(event));
    on(window, "pointermove", (event: PointerEvent) => !this.chosen && !this.resting && this.show(this.under(event)));
    on(window, "focusin", (event: FocusEvent) => !this.chosen && !this.resting && this.show(this.under(event)));
    on(window, "keydown keyup keypress", (event: KeyboardEvent) => this.pressed(event));
    on(window, "scroll resize", () => this.panel.outline(this.current));
    this.undo.push(context.onPage(() => this.kind === "page" && this.page()));
    this.again();
  }

  end(): void {
    clearTimeout(this.timer);
    for (const undo of this.undo.splice(0)) undo();
    this.panel.remove();
    try {
      sessionStorage.removeItem(TOKEN);
    } catch {
      // not allowed here, so it was never stored
    }
  }

  /** The element of the site that an event is about; none for our own panel. */
  private under(event: Event): Element | null {
    const path = event.composedPath();
    const target = path[0];
    if (path.includes(this.panel.host) || !(target instanceof Element)) return null;
    const around = elements.chain(target);
    return around.length ? elements.used(around) : null;
  }

  private acted(event: Event): void {
    if (this.resting || event.composedPath().includes(this.panel.host)) return;
    // A touch that is prevented scrolls nothing, and is no click.
    if (!/^(touch|pointer)/.test(event.type)) event.preventDefault();
    event.stopImmediatePropagation();
    if (event.type === "click") this.choose(this.under(event));
  }

  private pressed(event: KeyboardEvent): void {
    const down = event.type === "keydown";
    const ours = event.composedPath().includes(this.panel.host);
    if (this.resting && !ours) return;
    if (event.key === "Escape") {
      event.preventDefault();
      event.stopImmediatePropagation();
      if (down) this.end();
      return;
    }
    // What is typed into the panel goes there; Tab goes on as ever.
    if (ours) return this.panel.only(event);
    event.stopImmediatePropagation();
    if (event.key === "Tab") return;
    event.preventDefault();
    if (!down) return;
    const at = this.chosen || this.current || document.body;
    const moves: { [key: string]: Element | null } = {
      ArrowUp: at.parentElement,
      ArrowDown: at.firstElementChild,
      ArrowLeft: at.previousElementSibling,
      ArrowRight: at.nextElementSibling,
    };
    if (event.key === "Enter" || event.key === " ") this.choose(at);
    else if (moves[event.key]) this.chosen ? this.choose(moves[event.key] as Element) : this.show(moves[event.key] as Element);
  }

  private show(element: Element | null): void {
    if (!element || element === this.panel.host || element.localName === "html") return;
    this.current = element;
    this.panel.outline(element);
  }

  /** Point again. */
  private again(): void {
    this.resting = false;
    this.kind = "feature";
    this.chosen = null;
    this.rule = {};
    this.panel.pointing();
  }

  private rest(): void {
    this.again();
    this.resting = true;
    this.asked++;
    this.current = null;
    this.panel.resting();
  }

  private choose(element: Element | null): void {
    if (!element || element.localName === "html" || element === this.panel.host) return;
    this.kind = "feature";
    this.chosen = element;
    this.rule = {};
    this.show(element);
    this.panel.waiting(elements.name(element, this.said(element)));
    void this.look();
  }

  private page(): void {
    this.resting = false;
    this.kind = "page";
    this.chosen = null;
    this.rule = {};
    this.panel.outline(null);
    this.panel.waiting("This page");
    void this.look();
  }

  private rewritten(text: string): void {
    if (this.kind === "page") this.rule = { url: { [text.includes("*") ? "wildcard" : "exact"]: text } };
    else this.rule = { ...this.rule, selector: text };
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.look(), 400);
  }

  private textual(on: boolean): void {
    const said = this.chosen ? this.said(this.chosen) : "";
    const { text: _text, ...rule } = this.rule;
    this.rule = on && said ? { ...rule, text: { is: said } } : rule;
    void this.look();
  }

  private said(element: Element): string {
    const around = elements.chain(element);
    return this.context.options.maskText || elements.masked(around) ? "" : elements.text(element);
  }

  /** Ask what the rule means, or which one is proposed. */
  private async look(): Promise<void> {
    const number = ++this.asked;
    const body: { [name: string]: unknown } = { url: location.href };
    if (this.rule.selector || this.rule.text || this.rule.url) body[this.kind === "page" ? "page_rule" : "rule"] = this.rule;
    if (this.kind === "feature" && this.chosen) {
      const around = elements.chain(this.chosen);
      body.path = elements.path(around, !!this.context.options.maskText || elements.masked(around));
      body.text = this.said(this.chosen);
    }
    const answer = await this.ask("look", body);
    if (number !== this.asked || !answer) return;
    const found = answer[this.kind] as Found | undefined;
    if (!found) return this.panel.wrong("What is at this address cannot be named.");
    this.rule = found.rule;
    const text = this.chosen ? this.said(this.chosen) : "";
    const suggested = this.kind === "page" ? document.title : text;
    const rule = found.rule.selector ?? Object.values(found.rule.url || {})[0] ?? "";
    this.panel.found(this.kind, { ...found, source: answer.source as string, rule, text, withText: !!found.rule.text, suggested });
  }

  private async save(name: string): Promise<void> {
    const answer = await this.ask("save", { kind: this.kind, name, rules: [this.rule] });
    if (answer) this.panel.saved(answer.name as string, answer.url as string);
  }

  private async ask(what: string, body: object): Promise<{ [name: string]: unknown } | null> {
    try {
      // As text, so that the browser sends it without asking first.
      const answer = await fetch(`${this.context.host}/picker/${what}`, {
        method: "POST",
        credentials: "omit",
        body: JSON.stringify({ token: this.context.token, ...body }),
      });
      const told = await answer.json();
      if (answer.ok) return told;
      this.panel.wrong(told.detail || "That did not work.");
    } catch {
      this.panel.wrong("Arrivals cannot be reached from this page.");
    }
    return null;
  }
}

const start: Start = (context) => {
  if (!context.token) return;
  const picker = new Picker(context);
  return () => picker.end();
};

(window as unknown as { arrivals: { _extend(name: string, start: Start): void } }).arrivals._extend("picker", start);
