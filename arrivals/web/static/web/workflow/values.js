// Values that can be put into a field: what templates see, with an example of each.
import { button, make } from "../dom.js";
import { ask, known, scope, state } from "./state.js";

const PLAIN = /^[A-Za-z_]\w*$/;
const MOST_DEEP = 4;
const MOST = 300;
const GROUPS = {
  visitor: "Visitor", account: "Account", row: "Columns of the report", response: "Response", arrival: "Arrival", event: "Event", webhook: "What came to the address",
  schedule: "Schedule", input: "Given by the other workflow", run: "Failed run", loop: "Loop", error: "Error", workflow: "Workflow", links: "Links",
};
// What steps give that nobody has tried yet.
const GIVES = {
  filter: ["passed"], paths: ["names", "branches"], loop: ["count", "of"], delay: ["until"], wait: ["happened", "event"], formatter: ["value"], http: ["status", "body", "headers"],
  digest: ["entries", "count", "text"], find_or_create: ["found", "created"], workflow: ["run"], action: ["id"],
};

export function named(path, key) {
  if (typeof key === "number") return `${path}[${key}]`;
  return PLAIN.test(key) ? `${path}.${key}` : `${path}["${key}"]`;
}

function flat(path, value, found, deep = 0) {
  if (found.length >= MOST) return;
  if (value === null || typeof value !== "object") found.push({ path, example: value });
  else if (Array.isArray(value)) {
    found.push({ path, example: `${value.length} items` });
    if (value.length && deep < MOST_DEEP) flat(named(path, 0), value[0], found, deep + 1);
  } else if (deep >= MOST_DEEP || !Object.keys(value).length) found.push({ path, example: value });
  else for (const [key, one] of Object.entries(value)) flat(named(path, key), one, found, deep + 1);
}

// Without a sample: what the form knows by itself.
function guessed() {
  const trigger = known.triggers.find((one) => one.id === state.definition.trigger?.kind);
  const report = known.reports.find((one) => one.id === state.definition.trigger?.report);
  const sees = trigger?.sees ?? [];
  const found = {};
  if (sees.includes("visitor")) found.visitor = { id: null };
  if (sees.includes("account")) found.account = { id: null };
  if (sees.includes("row")) found.row = Object.fromEntries((report?.labels ?? []).map((one) => [one, null]));
  if (sees.includes("response")) found.response = { score: null, reason: null, class: null, at: null };
  if (sees.includes("arrival")) found.arrival = { at: null, entry: null, kind: null };
  if (sees.includes("event")) found.event = { name: null, at: null, properties: {} };
  if (sees.includes("webhook")) found.webhook = { body: null, query: null, headers: null };
  if (sees.includes("schedule")) found.schedule = { at: null };
  if (sees.includes("input")) found.input = {};
  if (sees.includes("run")) found.run = { id: null, member: null, link: null, error: { message: null } };
  return found;
}

export function values(at) {
  const seen = scope(at);
  const roots = { ...guessed(), ...(state.sample ?? {}) };
  const groups = [];
  const add = (title, path, value) => {
    const found = [];
    flat(path, value, found);
    if (found.length) groups.push({ title, values: found });
  };
  for (const step of [...seen.steps].reverse()) {
    const outputs = state.tests.get(step.id)?.outputs;
    add(`Step ${step.name ?? step.id}`, named("steps", step.id), outputs && Object.keys(outputs).length ? outputs : Object.fromEntries((GIVES[step.type] ?? []).map((one) => [one, null])));
  }
  if (seen.loop) add(GROUPS.loop, "loop", { item: null, index: null, number: null, count: null });
  if (seen.error) add(GROUPS.error, "error", { code: null, message: null, step: null });
  const order = Object.keys(GROUPS);
  for (const root of Object.keys(roots).sort((a, b) => order.indexOf(a) - order.indexOf(b))) add(GROUPS[root] ?? root, root, roots[root]);
  if (!roots.links) add(GROUPS.links, "links", { run: null, workflow: null });
  return groups;
}

let asked = null; // the question that the sample answers

export async function freshen(whom, given, force = false) {
  const question = JSON.stringify([state.definition.trigger, whom, given]);
  if (!force && question === asked) return;
  asked = question;
  try {
    state.sample = (await ask(`/workflows/${state.workflow ?? "new"}/sample`, { definition: state.definition, visitor: whom, given })).sample;
    return "";
  } catch (error) {
    state.sample = null;
    return error.message;
  }
}

function short(value) {
  if (value === null || value === undefined) return "";
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

function put(control, path) {
  const text = control.dataset.bare ? path : `{{ ${path} }}`;
  const [from, to] = control.selectionStart === null ? [control.value.length, control.value.length] : [control.selectionStart, control.selectionEnd];
  control.setRangeText(text, from, to, "end");
  control.dispatchEvent(new Event("input"));
  control.focus();
}

let current = null; // the picker that is open

function close(focus) {
  current?.panel.remove();
  current?.opener.setAttribute("aria-expanded", "false");
  if (focus) current?.control.focus();
  current = null;
}

function keys(event, panel) {
  const items = [...panel.querySelectorAll("input, li:not([hidden]) button")];
  const place = items.indexOf(document.activeElement);
  const move = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (move && place >= 0) {
    items[Math.min(items.length - 1, Math.max(0, place + move))].focus();
    event.preventDefault();
  } else if (event.key === "Escape") {
    close(true);
    event.preventDefault();
    event.stopPropagation();
  } else if (event.key === "Enter" && document.activeElement.matches("input")) {
    panel.querySelector("li:not([hidden]) button")?.click();
    event.preventDefault();
  }
}

// The button beside a field that opens the list of values for the step at a path.
export function picker(control, at, label, whom) {
  const opener = button("{ }", async () => {
    if (current?.control === control) return close(true);
    close(false);
    const lists = make("div", { class: "lists" }, make("p", { class: "quiet" }, "Looking …"));
    const find = make("input", { type: "search", placeholder: "Find a value", "aria-label": "Find a value", oninput: () => {
      const word = find.value.trim().toLowerCase();
      for (const item of lists.querySelectorAll("li")) item.hidden = !item.dataset.words.includes(word);
      for (const group of lists.querySelectorAll("section")) group.hidden = !group.querySelector("li:not([hidden])");
    } });
    const panel = make("div", { class: "values-panel", role: "group", "aria-label": `Values for ${label}`, onkeydown: (event) => keys(event, panel) },
      make("div", { class: "inline" }, find, button("Close", () => close(true))), lists);
    current = { control, opener, panel };
    opener.setAttribute("aria-expanded", "true");
    opener.closest(".field").append(panel);
    find.focus();
    const problem = await freshen(...whom());
    const groups = values(at).map((group) => make("section", {}, make("h3", {}, group.title), make("ul", {}, ...group.values.map((one) =>
      make("li", { "data-words": `${group.title} ${one.path} ${short(one.example)}`.toLowerCase() }, make("button", { type: "button", "aria-label": `{{ ${one.path} }}`, onclick: () => { put(control, one.path); close(true); } }, make("code", {}, one.path), make("small", {}, short(one.example))))))));
    lists.replaceChildren(...(problem ? [make("p", { class: "quiet" }, problem)] : []), ...groups);
    find.dispatchEvent(new Event("input"));
  }, { class: "small pick-value", "aria-label": `Insert a value into ${label}`, "aria-expanded": "false", title: "Insert a value" });
  return opener;
}
