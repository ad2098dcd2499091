/** What an element is called and where it stands. Never what a field holds. */

const MOST_CHAIN = 20;
const LONGEST = 60;
const MOST_CLASSES = 5;
const ATTRIBUTES = ["data-arrivals", "data-pendo-id", "data-testid", "data-test", "name", "role", "type", "aria-label"];
const MARKS = ATTRIBUTES.slice(0, 5);
const USED = "a,button,input,select,textarea,label,option,summary";
const USED_ROLES = ["button", "link", "menuitem", "tab", "option", "checkbox", "radio", "switch"];
/** What stands in these was perhaps typed. */
const FILLED = 'input,textarea,select,option,[contenteditable]:not([contenteditable="false"])';
const SILENT = "script,style,noscript,template,[hidden],[aria-hidden=true],[data-arrivals-ignore],[data-arrivals-mask]";
/** A name with other letters cannot be told from the signs of a path. */
const PLAIN = /^[\p{L}\p{N}_-]{1,100}$/u;
/** Like the number of a card or an account. */
const NUMBERS = /\d([ -]?\d){11,}/;

const tag = (element: Element): string => element.localName.slice(0, 40);
const id = (element: Element): string => {
  const given = element.getAttribute("id") || "";
  return PLAIN.test(given) ? given : "";
};
const attribute = (element: Element, name: string): string =>
  (element.getAttribute(name) || "").replace(/\s+/g, " ").trim().slice(0, LONGEST);
const classes = (element: Element): string[] =>
  (element.getAttribute("class") || "").split(/\s+/).filter((one) => PLAIN.test(one));

/** The element around this one, also out of a shadow root. */
const outer = (element: Element): Element | null => {
  const root = element.getRootNode();
  return element.parentElement || (root instanceof ShadowRoot ? root.host : null);
};

/** The element and those around it, the body included. */
export function chain(element: Element): Element[] {
  const found: Element[] = [];
  for (let one: Element | null = element; one && tag(one) !== "html"; one = outer(one)) found.push(one);
  return found;
}

export const ignored = (around: Element[]): boolean => around.some((one) => one.hasAttribute("data-arrivals-ignore"));
export const masked = (around: Element[]): boolean => around.some((one) => one.hasAttribute("data-arrivals-mask"));

/** One piece of a path: `tag#id.class[attr=value]:nth(n)`, n among those around it with the same tag, from the second on. */
export function piece(element: Element, mask: boolean): string {
  let text = tag(element);
  if (id(element)) text += "#" + id(element);
  for (const one of classes(element).slice(0, MOST_CLASSES)) text += "." + one;
  for (const name of ATTRIBUTES) {
    const value = mask && name === "aria-label" ? "" : attribute(element, name);
    if (value) text += `[${name}=${value}]`;
  }
  let nth = 1;
  for (let one = element.previousElementSibling; one; one = one.previousElementSibling)
    if (one.localName === element.localName) nth++;
  return nth > 1 ? `${text}:nth(${nth})` : text;
}

export const path = (around: Element[], mask: boolean): string[] =>
  around.slice(0, MOST_CHAIN).map((one) => piece(one, mask));

/** A click on the icon of a button is a click on the button. */
export function used(around: Element[]): Element {
  const found = around
    .slice(0, MOST_CHAIN)
    .find((one) => one.matches(USED) || USED_ROLES.includes(one.getAttribute("role") || ""));
  return found || (around[0] as Element);
}

/** `button#save`, `input[name=plan]`, `button "Save all"` or `button.primary.big`. */
export function name(element: Element, text: string): string {
  if (id(element)) return `${tag(element)}#${id(element)}`.slice(0, 120);
  const mark = MARKS.find((one) => attribute(element, one));
  if (mark) return `${tag(element)}[${mark}=${attribute(element, mark)}]`;
  if (text) return `${tag(element)} "${text}"`;
  return [tag(element), ...classes(element).slice(0, 2)].join(".").slice(0, 120);
}

/** The visible text, at most 60 characters; empty for what can be filled in and for what looks like a number of a card. */
export function text(element: Element): string {
  if (element.matches(FILLED) || element.closest(FILLED)) return "";
  let found = "";
  const walk = (node: Node): void => {
    for (const one of node.childNodes) {
      if (found.length > LONGEST * 2) return;
      if (one.nodeType === Node.TEXT_NODE) found += one.nodeValue;
      else if (one instanceof Element && !one.matches(SILENT) && !one.matches(FILLED) && one.checkVisibility?.() !== false) {
        found += " ";
        walk(one);
        found += " ";
      }
    }
  };
  walk(element);
  found = found.replace(/\s+/g, " ").trim();
  return NUMBERS.test(found) ? "" : found.slice(0, LONGEST).trim();
}
