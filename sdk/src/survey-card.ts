/** One survey on the page: shown, answered by mouse or keyboard, closed. It knows nothing of when and to whom. */

import { dress, type Look } from "./survey-style.ts";

export interface Survey {
  id: string;
  key: string;
  kind: "nps" | "csat" | "question";
  min: number | null;
  max: number | null;
  choices: string[];
  reason: boolean;
  texts: { question: string; low: string; high: string; reason: string; text: string; send: string; close: string; thanks: string };
  language: string;
  direction: string;
  look: Look;
}

/** What happens to it. `answered` comes at most once, `reasoned` at most once and after it. */
export interface Events {
  answered(given: { score?: number; response: string | number; reason?: string }): void;
  reasoned(text: string): void;
  /** It is gone; `answered`: whether there was an answer. */
  closed(answered: boolean): void;
}

const THANKS_MS = 4_000;
const LONGEST = 2_000;

export class Card {
  readonly host: HTMLElement;
  /** What must be visible for the survey to count as shown. */
  readonly element: HTMLElement;
  private readonly survey: Survey;
  private readonly events: Events;
  private readonly body: HTMLElement;
  private readonly status: HTMLElement;
  private readonly modal: boolean;
  private readonly before: Element | null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private answered = false;
  private open = true;

  /** `contained`: a preview inside of `parent`, which takes no focus. */
  constructor(survey: Survey, events: Events, parent: HTMLElement = document.body, contained = false) {
    this.survey = survey;
    this.events = events;
    this.modal = survey.look.position === "centre" && !contained;
    this.before = document.activeElement;
    this.host = make("arrivals-survey", { "data-arrivals-ignore": "", lang: survey.language, dir: survey.direction });
    const root = this.host.attachShadow({ mode: "open" });
    dress(root, survey.look);
    const { texts } = survey;
    const close = make("button", { type: "button", class: "close", "aria-label": texts.close }, "×");
    close.addEventListener("click", () => this.close());
    this.status = make("p", { class: "hidden", role: "status" });
    this.body = make("div", {}, make("h2", { id: "question" }, texts.question), ...this.question());
    const dialog = { class: "card", role: "dialog", "aria-labelledby": "question", tabindex: "-1", lang: survey.language, dir: survey.direction };
    this.element = make("section", this.modal ? { ...dialog, "aria-modal": "true" } : dialog, this.body, this.status, close);
    root.append(make("div", { class: `frame ${contained ? "contained" : survey.look.position}` }, this.element));
    this.element.addEventListener("keydown", (event) => this.key(event));
    parent.append(this.host);
    if (this.modal) {
      document.addEventListener("keydown", this.escape);
      (this.radios()[0] || this.element).focus();
    } else if (!contained) {
      // In a corner it takes no focus, so that it is said by the status instead. Empty first: only a change is said.
      setTimeout(() => this.open && !this.answered && (this.status.textContent = texts.question), 100);
    }
  }

  /** Whether somebody is busy with it. */
  get touched(): boolean {
    return this.answered || this.host.shadowRoot!.activeElement !== null;
  }

  /** Take it from the page. */
  close(): void {
    if (!this.open) return;
    const inside = this.host.shadowRoot!.activeElement !== null;
    this.remove();
    // Who was in it goes back to where they were.
    if (inside && this.before instanceof HTMLElement && this.before.isConnected) this.before.focus();
    this.events.closed(this.answered);
  }

  /** As `close`, but nobody is told. */
  remove(): void {
    this.open = false;
    clearTimeout(this.timer);
    document.removeEventListener("keydown", this.escape);
    this.host.remove();
  }

  private question(): HTMLElement[] {
    const { min, max, choices, texts, kind } = this.survey;
    if (choices.length) return [this.group("choices", choices.map((text) => ({ text, label: text, pick: () => this.answer({ response: text }) })))];
    if (min === null || max === null) return this.words(texts.text, true, (text) => this.answer({ response: text, reason: text }));
    const steps = Array.from({ length: max - min + 1 }, (_, at) => min + at);
    const scale = this.group(
      `scale ${kind}`,
      steps.map((score) => ({
        text: String(score),
        label: score === min ? `${score}, ${texts.low}` : score === max ? `${score}, ${texts.high}` : String(score),
        pick: () => this.answer({ score, response: score }),
      })),
    );
    return [scale, make("div", { class: "ends", "aria-hidden": "true" }, make("span", {}, texts.low), make("span", {}, texts.high))];
  }

  /** Radio buttons of which the arrows move the focus, and a click, Enter or Space picks one: a pick is sent at once. */
  private group(name: string, options: { text: string; label: string; pick: () => void }[]): HTMLElement {
    const group = make("div", { class: name, role: "radiogroup", "aria-labelledby": "question" });
    options.forEach(({ text, label, pick }, at) => {
      const radio = make("button", { type: "button", role: "radio", "aria-checked": "false", "aria-label": label, tabindex: at ? "-1" : "0" }, text);
      radio.addEventListener("click", () => {
        if (this.answered) return;
        for (const one of this.radios()) {
          one.setAttribute("aria-checked", String(one === radio));
          one.setAttribute("aria-disabled", "true");
          one.tabIndex = one === radio ? 0 : -1;
        }
        pick();
      });
      group.append(radio);
    });
    return group;
  }

  private words(label: string, needed: boolean, done: (text: string) => void): HTMLElement[] {
    const field = make("textarea", { id: "words", maxlength: String(LONGEST), rows: "3" }) as HTMLTextAreaElement;
    if (needed) field.setAttribute("aria-labelledby", "question");
    const send = make("button", { type: "button", class: "send" }, this.survey.texts.send);
    const submit = () => {
      const text = field.value.trim();
      if (text) done(text);
      else if (needed) field.focus();
      else this.thank();
    };
    send.addEventListener("click", submit);
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) submit();
    });
    return [...(needed ? [] : [make("label", { for: "words" }, label)]), field, send];
  }

  private answer(given: { score?: number; response: string | number; reason?: string }): void {
    if (this.answered) return;
    this.answered = true;
    this.events.answered(given);
    if (!this.survey.reason || given.score === undefined) return this.thank();
    const words = this.words(this.survey.texts.reason, false, (text) => {
      this.events.reasoned(text);
      this.thank();
    });
    this.status.textContent = "";
    this.body.append(...words);
    words.find((one) => one.tagName === "TEXTAREA")?.focus();
  }

  private thank(): void {
    const inside = this.host.shadowRoot!.activeElement !== null;
    this.body.replaceChildren();
    this.element.removeAttribute("aria-labelledby");
    this.element.setAttribute("aria-label", this.survey.texts.thanks);
    this.status.className = "said";
    this.status.textContent = this.survey.texts.thanks;
    if (inside) this.element.focus();
    this.timer = setTimeout(() => this.close(), THANKS_MS);
  }

  private radios(): HTMLElement[] {
    return [...this.host.shadowRoot!.querySelectorAll<HTMLElement>("[role=radio]")];
  }

  private readonly escape = (event: KeyboardEvent): void => {
    if (event.key === "Escape") this.close();
  };

  private key(event: KeyboardEvent): void {
    // The page has shortcuts of its own: what is typed here is none of them.
    event.stopPropagation();
    if (event.key === "Escape") return this.close();
    if (event.key === "Tab" && this.modal) return this.trap(event);
    const radios = this.radios();
    const at = radios.indexOf(event.target as HTMLElement);
    if (at < 0 || this.answered) return;
    const forwards = this.survey.direction === "rtl" ? "ArrowLeft" : "ArrowRight";
    const backwards = this.survey.direction === "rtl" ? "ArrowRight" : "ArrowLeft";
    const to: { [key: string]: number } = { [forwards]: at + 1, ArrowDown: at + 1, [backwards]: at - 1, ArrowUp: at - 1, Home: 0, End: -1 };
    const next = to[event.key];
    if (next === undefined) return;
    event.preventDefault();
    const radio = radios[(next + radios.length) % radios.length] as HTMLElement;
    for (const one of radios) one.tabIndex = one === radio ? 0 : -1;
    radio.focus();
  }

  /** In the middle of the page, Tab stays inside. */
  private trap(event: KeyboardEvent): void {
    const stops = [...this.element.querySelectorAll<HTMLElement>("button, textarea")].filter((one) => one.tabIndex >= 0);
    const edge = event.shiftKey ? stops[0] : stops[stops.length - 1];
    if (event.target !== edge && event.target !== this.element) return;
    event.preventDefault();
    (event.shiftKey ? stops[stops.length - 1] : stops[0])?.focus();
  }
}

function make(tag: string, attributes: { [name: string]: string }, ...children: (Node | string)[]): HTMLElement {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}
