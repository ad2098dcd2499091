/** Watches the page: where it is, what is clicked, changed and submitted. */

import * as elements from "./elements.ts";
import { quiet, type Undo } from "./tools.ts";

/** Called with kind, name and properties of what was done to an element. */
export type Did = (kind: "click" | "change" | "submit", name: string, properties: object) => void;

/** Listen for clicks, changes and submits. `masks` says whether texts are kept out at this moment. */
export function actions(undo: Undo, wants: (kind: string) => boolean, masks: () => boolean, did: Did): void {
  const listener = (event: Event): void => {
    const kind = event.type as "click" | "change" | "submit";
    const target = event.composedPath()[0];
    if (!wants(kind) || !(target instanceof Element)) return;
    const around = elements.chain(target);
    if (!around.length || elements.ignored(around)) return;
    const mask = masks() || elements.masked(around);
    const element = kind === "click" ? elements.used(around) : target;
    const text = kind !== "click" || mask ? "" : elements.text(element);
    did(kind, elements.name(element, text), {
      path: elements.path(around, mask),
      ...(text && { text }),
    });
  };
  undo.listen(document, "click change submit", listener, { capture: true, passive: true });
}

/** What makes an address another page: a fragment only where it is a router's. */
const place = (url: URL, query: boolean): string =>
  url.pathname + (query ? url.search : "") + (/^#[!/]/.test(url.hash) ? url.hash : "");

/**
 * Calls `seen` when a router has gone to another page: once, when the address has come to rest.
 * Returns what sees at once whether the address is another, for events that come in between.
 */
export function pages(undo: Undo, seen: (url: string) => void): () => void {
  const now = () => new URL(location.href);
  let last = now();
  let query = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const look = quiet(() => {
    clearTimeout(timer);
    timer = undefined;
    const url = now();
    // A router that only writes its state into the query (replaceState) shows the same page.
    const other = place(url, query) !== place(last, query);
    query = false;
    last = url;
    if (other) seen(url.href);
  });
  const later = (all: boolean): void => {
    query ||= all;
    clearTimeout(timer);
    timer = setTimeout(look, 50); // many routers go on from the first address to another, and set the title after it
  };
  patch(undo, "pushState", () => later(true));
  patch(undo, "replaceState", () => later(false));
  undo.listen(window, "popstate hashchange", () => later(true));
  undo.listen(window, "pageshow", (event) => event.persisted && seen(location.href)); // back to a page that was kept
  undo.add(() => clearTimeout(timer));
  return () => {
    if (timer !== undefined) look();
  };
}

function patch(undo: Undo, name: "pushState" | "replaceState", then: () => void): void {
  const before = history[name];
  let on = true;
  const ours = function (this: History, ...given: Parameters<History["pushState"]>): void {
    before.apply(this, given);
    if (on) then();
  };
  history[name] = ours;
  undo.add(() => {
    on = false;
    if (history[name] === ours) history[name] = before; // else somebody has put theirs on top of ours
  });
}

/** Whether this browser asks not to be followed (Do Not Track, Global Privacy Control). */
export const declined = (): boolean => {
  const told = navigator as { doNotTrack?: string | null; globalPrivacyControl?: boolean };
  return told.doNotTrack === "1" || told.globalPrivacyControl === true;
};
