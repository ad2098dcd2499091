/** What the picker shows: an outline around an element, and a bar with what is known of it. In a shadow root of its own. */

/** What the person does in the bar. */
export interface Actions {
  page(): void;
  element(): void;
  /** Let the site work meanwhile. */
  site(): void;
  wider(): void;
  selector(text: string): void;
  withText(on: boolean): void;
  save(name: string): void;
  end(): void;
}

export interface Shown {
  source: string;
  rule: string;
  text: string;
  withText: boolean;
  events: number;
  visitors: number;
  named: string[];
  suggested: string;
}

const STYLE = `
:host { all: initial; }
.box { position: fixed; z-index: 2147483646; pointer-events: none; border: 2px solid #2a6b5a; background: rgb(42 107 90 / 16%); border-radius: 3px; box-sizing: border-box; }
.bar { position: fixed; z-index: 2147483647; left: 50%; bottom: 12px; transform: translateX(-50%); width: min(44rem, calc(100vw - 24px)); max-height: 70vh; overflow: auto; box-sizing: border-box; padding: 12px 14px; border-radius: 12px; border: 1px solid #cfd4cf; background: #fff; color: #1d2321; font: 14px/1.45 system-ui, sans-serif; box-shadow: 0 8px 30px rgb(0 0 0 / 22%); display: grid; gap: 8px; }
.bar.top { bottom: auto; top: 12px; }
.row { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; }
form.row { align-items: end; } .grow { flex: 1 1 12rem; min-width: 0; } b { overflow-wrap: anywhere; } .quiet { color: #626b67; }
label { display: grid; gap: 2px; } label.check { display: flex; gap: 6px; align-items: center; }
input { font: inherit; color: inherit; background: #fff; padding: 6px 8px; border: 1px solid #aeb6b1; border-radius: 7px; width: 100%; box-sizing: border-box; } input[type=checkbox] { width: auto; } .code { font-family: ui-monospace, monospace; font-size: 13px; }
button { font: inherit; color: inherit; background: #fff; border: 1px solid #aeb6b1; border-radius: 7px; padding: 6px 11px; cursor: pointer; }
button.main { background: #2a6b5a; border-color: #2a6b5a; color: #fff; } button:disabled { opacity: .55; cursor: default; }
:focus-visible { outline: 2px solid #2a6b5a; outline-offset: 2px; } a { color: #2a6b5a; } [hidden] { display: none !important; }
.wrong { color: #a8321e; } p { margin: 0; overflow-wrap: anywhere; }
@media (prefers-color-scheme: dark) { .bar, input, button { background: #1c201f; color: #e7ebe9; border-color: #47504c; } .quiet { color: #9aa5a0; } a { color: #63b79d; } .wrong { color: #ff9a85; } .box { border-color: #63b79d; } }
`;
/** Events that the site need not hear of. */
const OURS = "click pointerdown pointerup mousedown mouseup keydown keyup keypress input change focusin focusout";

export class Panel {
  readonly host = document.createElement("div");
  private readonly box = make("div", "box");
  private readonly bar = make("div", "bar");
  private readonly what = make("b", "grow");
  private readonly numbers = make("p", "", "");
  private readonly rule = make("input", "code") as HTMLInputElement;
  private readonly ruled = make("label", "", "Selector");
  private readonly texted = make("label", "check");
  private readonly textOn = make("input") as HTMLInputElement;
  private readonly name = make("input") as HTMLInputElement;
  private readonly named = make("form", "row") as HTMLFormElement;
  private readonly keep = make("button", "main", "Save");
  private readonly wider = make("button", "", "Wider");
  private readonly again = make("button", "", "Point again");
  private readonly use = make("button", "", "Use the site");
  private readonly does: Actions;

  constructor(does: Actions) {
    this.does = does;
    this.host.setAttribute("data-arrivals-ignore", "");
    this.host.setAttribute("data-arrivals-picker", "");
    const root = this.host.attachShadow({ mode: "open" });
    // A strict content security policy forbids a style element, not this.
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];
    this.build();
    root.append(this.box, this.bar);
    for (const name of OURS.split(" ")) this.host.addEventListener(name, (event) => event.stopPropagation());
    document.documentElement.append(this.host);
  }

  private build(): void {
    this.bar.setAttribute("role", "dialog");
    this.bar.setAttribute("aria-label", "Arrivals: name an element or a page");
    this.numbers.setAttribute("role", "status");
    const page = press(make("button", "", "This page"), () => this.does.page());
    const end = press(make("button", "", "End"), () => this.does.end());
    end.title = "Escape";
    const move = press(make("button", "", "↕"), () => this.bar.classList.toggle("top"));
    move.title = "To the other edge";
    move.setAttribute("aria-label", move.title);
    press(this.use, () => this.does.site());
    press(this.wider, () => this.does.wider());
    press(this.again, () => this.does.element());
    this.ruled.append(this.rule);
    this.rule.spellcheck = false;
    this.rule.addEventListener("input", () => this.does.selector(this.rule.value));
    this.textOn.type = "checkbox";
    this.textOn.addEventListener("change", () => this.does.withText(this.textOn.checked));
    this.texted.append(this.textOn, make("span"));
    const label = make("label", "grow", "Name");
    this.name.maxLength = 200;
    this.name.required = true;
    label.append(this.name);
    (this.keep as HTMLButtonElement).type = "submit";
    this.named.append(label, this.keep);
    this.named.addEventListener("submit", (event) => {
      event.preventDefault();
      event.stopPropagation();
      if (this.name.value.trim()) this.does.save(this.name.value.trim());
    });
    const head = make("div", "row");
    head.append(this.what, this.wider, this.again, page, this.use, move, end);
    this.bar.append(head, this.numbers, this.ruled, this.texted, this.named);
  }

  /** Nothing is chosen yet. */
  pointing(): void {
    this.fields(false);
    this.what.textContent = "Point at an element";
    this.say("Click takes it. By keyboard: Tab or the arrow keys move, Enter takes it, Escape ends.");
  }

  /** The person uses the site. */
  resting(): void {
    this.fields(false);
    this.again.hidden = false;
    this.use.hidden = true;
    this.outline(null);
    this.what.textContent = "The site works as ever";
    this.say("Open what you look for, on this page or another one, then point again.");
  }

  waiting(what: string): void {
    this.fields(false);
    this.again.hidden = false;
    this.what.textContent = what;
    this.say("Looking …");
  }

  found(kind: "feature" | "page", shown: Shown): void {
    const fresh = this.named.hidden;
    this.fields(true);
    this.wider.hidden = kind === "page";
    const word = kind === "page" ? "page view" : "click";
    const called = shown.named.length ? ` It is ${shown.named.map((one) => `“${one}”`).join(", ")} already.` : "";
    this.say(`${plural(shown.events, word)} of ${plural(shown.visitors, "visitor")} in 30 days in ${shown.source}.${called}`);
    (this.ruled.firstChild as Text).data = kind === "page" ? "Address" : "Selector";
    if (this.rule.value !== shown.rule && (fresh || !this.typing(this.rule))) this.rule.value = shown.rule;
    this.texted.hidden = kind === "page" || !shown.text;
    this.textOn.checked = shown.withText;
    (this.texted.lastChild as Element).textContent = `only with the text “${shown.text}”`;
    if (fresh) {
      this.name.value = shown.suggested.slice(0, 200);
      this.name.focus();
      this.name.select();
    }
  }

  saved(name: string, url: string): void {
    this.fields(false);
    this.again.hidden = false;
    this.what.textContent = `Saved: ${name}`;
    this.say("It applies to everything that was captured so far. ");
    const link = make("a", "", "Open it in Arrivals") as HTMLAnchorElement;
    link.href = url;
    link.target = "_blank";
    link.rel = "noopener";
    this.numbers.append(link);
    this.again.focus();
  }

  wrong(sentence: string): void {
    this.say(sentence);
    this.numbers.className = "wrong";
  }

  outline(element: Element | null): void {
    this.box.hidden = !element;
    if (!element) return;
    const { left, top, width, height } = element.getBoundingClientRect();
    Object.assign(this.box.style, { left: `${left - 2}px`, top: `${top - 2}px`, width: `${width + 4}px`, height: `${height + 4}px` });
  }

  /** A key that was pressed in the bar: it is not for the site. Its listeners on the window are kept from it too. */
  only(event: KeyboardEvent): void {
    if (event.key === "Tab") this.turn(event);
  }

  remove(): void {
    this.host.remove();
  }

  /** Tab stays in the bar while something is chosen, so that the name is reached at once. */
  private turn(event: KeyboardEvent): void {
    if (event.type !== "keydown" || this.named.hidden) return;
    const all = [...this.bar.querySelectorAll<HTMLElement>("input, button, a")].filter((one) => one.getClientRects().length);
    const edge = event.shiftKey ? all[0] : all[all.length - 1];
    if (this.host.shadowRoot?.activeElement !== edge) return;
    event.preventDefault();
    (event.shiftKey ? all[all.length - 1] : all[0])?.focus();
  }

  private typing(input: HTMLInputElement): boolean {
    return this.host.shadowRoot?.activeElement === input;
  }

  private fields(on: boolean): void {
    for (const one of [this.ruled, this.texted, this.named, this.wider, this.again]) one.hidden = !on;
    this.use.hidden = false;
  }

  private say(text: string): void {
    this.numbers.className = "quiet";
    this.numbers.textContent = text;
  }
}

const plural = (number: number, word: string): string => `${number.toLocaleString("en")} ${word}${number === 1 ? "" : "s"}`;

function make(tag: string, name = "", text?: string): HTMLElement {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text !== undefined) element.append(document.createTextNode(text));
  if (element instanceof HTMLButtonElement) element.type = "button";
  return element;
}

function press<T extends HTMLElement>(element: T, does: () => void): T {
  element.addEventListener("click", does);
  return element;
}
