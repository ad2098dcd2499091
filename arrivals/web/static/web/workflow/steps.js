// What each type of step is called, begins as, says of itself in a line, and asks for.
import { button, choose, make } from "../dom.js";
import { changed, known, rebuilt, set, state } from "./state.js";
import { action, app, bySchema, choice, json, pairs, plain, tick, words } from "./fields.js";
import { conditions, FRESH as NO_CONDITIONS } from "./conditions.js";
import { eventRule } from "./trigger.js";

const SPAN = /^(\d*)([mhd])$/;
const UNITS = [["m", "minutes"], ["h", "hours"], ["d", "days"]];
const DAYS = [["mon", "Monday"], ["tue", "Tuesday"], ["wed", "Wednesday"], ["thu", "Thursday"], ["fri", "Friday"], ["sat", "Saturday"], ["sun", "Sunday"]];

// What an app that can look for something begins with.
const finding = (one) => ({ app: one.id, find: { action: one.actions.find((found) => found.finds)?.id ?? "", inputs: {} }, create: { action: one.actions.find((found) => !found.finds)?.id ?? "", inputs: {} } });

const message = () => {
  const inbox = app("inbox") ?? known.apps[0];
  return { app: inbox.id, action: inbox.actions[0].id, inputs: {} };
};

// id: the word that a new step's id is made of; help: a line for the list of types; fresh: what it begins as; handles: whether it
// may have an error branch; said: a line that says what it does; form: its fields.
export const TYPES = {
  action: { label: "Action", id: "step", help: "Does something in an app: a message, a record, a mail.", handles: true, fresh: message, said: (step) => `${app(step.app)?.name ?? step.app ?? "?"}: ${action(step)?.title ?? step.action ?? "?"}`, form: actionForm },
  filter: { label: "Filter", id: "only", help: "Goes on only if conditions hold.", fresh: () => ({ all: NO_CONDITIONS() }), said: (step) => `Goes on only if ${inWords(step.all)}`, form: (step, at) => [make("p", { class: "quiet" }, "Goes on only if all of these hold:"), conditions((step.all ??= NO_CONDITIONS()), at, `${at}.all`)] },
  paths: { label: "Paths", id: "paths", help: "Takes one branch or several, by conditions.", fresh: () => ({ mode: "first", branches: [{ name: "Branch 1", all: NO_CONDITIONS(), steps: [] }, { name: "Otherwise", fallback: true, steps: [] }] }), said: (step) => `${step.branches?.length ?? 0} branches, ${step.mode === "all" ? "all that hold" : "the first that holds"}`, form: pathsForm },
  loop: { label: "Loop", id: "each", help: "Does steps for each item of a list.", handles: true, fresh: () => ({ over: "", most: 100, steps: [] }), said: (step) => `For each of ${typeof step.over === "string" ? step.over || "…" : `${step.over?.length} values`}`, form: loopForm },
  delay: { label: "Delay", id: "delay", help: "Waits for a span of time or until a moment.", handles: true, fresh: () => ({ for: "1d" }), said: (step) => (step.until === undefined ? `Waits ${inUnits(step.for)}` : `Waits until ${step.until || "…"}`), form: delayForm },
  wait: { label: "Wait for something", id: "wait", help: "Waits for an event, or until somebody has left the report.", handles: true, fresh: () => ({ for: { event: { kind: "track", name: "" } }, timeout: "7d" }), said: (step) => `Waits for ${step.for?.event ? step.for.event.name || step.for.event.survey || "an event" : "leaving the report"}, at most ${inUnits(step.timeout)}`, form: waitForm },
  formatter: { label: "Formatter", id: "format", help: "Makes one value of another: text, numbers, dates, tables, JSON.", handles: true, fresh: () => ({ function: known.functions[0]?.name ?? "text.upper", input: "" }), said: (step) => `${step.function ?? "?"} of ${typeof step.input === "string" ? step.input || "…" : "a value"}`, form: formatterForm },
  digest: { label: "Digest", id: "digest", help: "Collects entries and goes on once a day, week or so many.", handles: true, fresh: () => ({ release: { every: "day", at: "09:00" }, entry: "" }), said: (step) => (step.release?.count ? `Collects ${step.release.count} entries` : `Collects entries for each ${step.release?.every ?? "day"}`), form: digestForm },
  http: { label: "HTTP request", id: "request", help: "Asks or tells any address on the web.", handles: true, fresh: () => ({ method: "GET", url: "" }), said: (step) => `${step.method ?? "GET"} ${step.url ?? ""}`, form: httpForm },
  find_or_create: { label: "Find or create", id: "find", help: "Looks something up in an app and makes it where it is missing.", handles: true, fresh: () => finding(known.apps.find((one) => one.actions.some((found) => found.finds)) ?? known.apps[0]), said: (step) => `${app(step.app)?.name ?? step.app}: ${step.find?.action}, else ${step.create?.action}`, form: findForm },
  workflow: { label: "Another workflow", id: "call", help: "Starts another workflow, and may wait for it.", handles: true, fresh: () => ({ workflow: "", inputs: {}, wait: true }), said: (step) => `Starts ${known.workflows.find((one) => one.id === step.workflow)?.name ?? "…"}`, form: workflowForm },
};

export function types() {
  return Object.entries(TYPES).filter(([id]) => known.types.includes(id));
}

export function said(step) {
  return TYPES[step.type]?.said(step) ?? step.type ?? "a step without a type";
}

export function form(step, at) {
  return TYPES[step.type] ? TYPES[step.type].form(step, at) : [make("p", { class: "quiet" }, "It can only be changed as JSON.")];
}

function inUnits(span) {
  const [, number, unit] = SPAN.exec(span ?? "") ?? [];
  return number ? `${number} ${UNITS.find(([id]) => id === unit)[1]}` : "…";
}

export function inWords(groups) {
  const one = (condition) => `${condition.left || "…"} ${known.words[condition.op] ?? condition.op} ${Array.isArray(condition.value) ? condition.value.join(", ") : condition.value ?? ""}`.trim();
  return (groups ?? []).map((group) => (group.any ?? []).map(one).join(" or ")).join(", and ");
}

function connection(step, at) {
  const chosen = app(step.app);
  if (!chosen || chosen.connection === "none") return null;
  const own = known.connections.filter((one) => one.app === step.app);
  return make("div", {}, choice("Connection", [["", chosen.connection === "required" ? "choose a connection" : "no connection"], ...own.map((one) => [one.id, one.name])], step.connection, (value) => set(step, "connection", value), { place: `${at}.connection` }),
    own.length ? null : make("small", {}, make("a", { href: `/connections/new/${step.app}`, target: "_blank" }, "Connect it")));
}

function inputs(thing, chosen, at, place) {
  const needed = chosen?.schema.required ?? [];
  thing.inputs ??= {};
  return Object.entries(chosen?.schema.properties ?? {}).flatMap(([name, schema]) => bySchema(name, schema, needed.includes(name), thing.inputs[name], (value, redraw) => set(thing.inputs, name, value, redraw), { at, place: `${place}.inputs.${name}` }));
}

function actionForm(step, at) {
  const chosen = app(step.app);
  return [make("div", { class: "inline tops" },
    choice("App", known.apps.map((one) => [one.id, one.name]), step.app, (value) => { Object.assign(step, { app: value, action: app(value).actions[0].id, inputs: {} }); delete step.connection; changed(true); }, { place: `${at}.app` }),
    choice("Action", (chosen?.actions ?? []).map((one) => [one.id, one.title]), step.action, (value) => { step.action = value; step.inputs = {}; changed(true); }, { place: `${at}.action` }),
    connection(step, at)), action(step)?.help ? make("p", { class: "quiet" }, action(step).help) : null, ...inputs(step, action(step), at, at)];
}

function pathsForm(step, at) {
  const fallback = step.branches.some((one) => one.fallback);
  const add = (branch) => rebuilt(() => { step.branches.splice(fallback ? -1 : step.branches.length, 0, branch); });
  return [choice("Which branches", [["first", "the first that holds"], ["all", "all that hold, one after the other"]], step.mode ?? "first", (value) => set(step, "mode", value, true), { place: `${at}.mode` }),
    make("div", { class: "inline" }, button("+ branch", () => add({ name: `Branch ${step.branches.length + (fallback ? 0 : 1)}`, all: NO_CONDITIONS(), steps: [] })),
      fallback ? null : button("+ otherwise", () => rebuilt(() => { step.branches.push({ name: "Otherwise", fallback: true, steps: [] }); })))];
}

// The head of one branch, drawn above its steps.
export function branchForm(step, index, at) {
  const branch = step.branches[index];
  const place = `${at}.branches[${index}]`;
  const how = branch.always ? "always" : branch.fallback ? "fallback" : "all";
  const move = (by) => () => rebuilt(() => { const [one] = step.branches.splice(index, 1); step.branches.splice(index + by, 0, one); });
  const name = branch.name ?? `Branch ${index + 1}`;
  const last = step.branches.length - (step.branches.at(-1)?.fallback ? 2 : 1);
  return [make("div", { class: "inline branch-head" },
    make("input", { "aria-label": `Name of branch ${index + 1}`, value: name, "data-at": `${place}.name`, maxlength: 100, oninput: (event) => { branch.name = event.target.value; changed(); } }),
    choose(`When branch ${index + 1} is taken`, [["all", "if"], ["always", "always"], ...(how === "fallback" || (index === step.branches.length - 1 && !step.branches.some((one) => one.fallback)) ? [["fallback", "otherwise"]] : [])], how, (value) => { for (const key of ["all", "always", "fallback"]) delete branch[key]; branch[value] = value === "all" ? NO_CONDITIONS() : true; changed(true); }),
    index && how !== "fallback" ? button("↑", move(-1), { "aria-label": `Move ${name} up` }) : null, index < last && how !== "fallback" ? button("↓", move(1), { "aria-label": `Move ${name} down` }) : null,
    step.branches.length > 1 ? button("Remove", () => rebuilt(() => { step.branches.splice(index, 1); }), { class: "small remove", "aria-label": `Remove ${name}` }) : null),
    how === "all" ? conditions(branch.all, at, `${place}.all`) : null];
}

function loopForm(step, at) {
  const values = Array.isArray(step.over);
  return [values ? json("For each of", step.over, (value) => { step.over = value; changed(); }, { at, place: `${at}.over`, hint: "A list of values as JSON." })
    : words("For each of", step.over, (value) => { step.over = value; changed(); }, { at, place: `${at}.over`, hint: "A value that is a list, such as {{ steps.find.items }}, or a text with lines or commas.", placeholder: "{{ row.items }}" }),
  plain("At most", step.most ?? 500, (value) => { step.most = value === "" ? 500 : Number(value); changed(); }, { place: `${at}.most`, type: "number", min: 1, max: 500, hint: "items" })];
}

function spanField(label, value, change, place) {
  const [, number = "", unit = "d"] = SPAN.exec(value ?? "") ?? [];
  const both = { number, unit };
  const store = () => change(`${both.number}${both.unit}`);
  return make("div", { class: "inline span", "data-at": place }, make("label", {}, label, make("input", { "aria-label": label, value: number, inputmode: "numeric", size: 4, oninput: (event) => { both.number = event.target.value.trim(); store(); } })),
    choose(`${label}: unit`, UNITS, unit, (chosen) => { both.unit = chosen; store(); }));
}

function delayForm(step, at) {
  const until = step.until !== undefined;
  return [choice("How long", [["for", "for a span of time"], ["until", "until a moment"]], until ? "until" : "for", (value) => { for (const key of ["for", "until", "past"]) delete step[key]; step[value] = value === "for" ? "1d" : ""; changed(true); }),
    until ? words("Until", step.until, (value) => { step.until = value; changed(); }, { at, place: `${at}.until`, hint: "A time such as 2026-01-31T09:00, the next 09:00, or a value that is one.", placeholder: "09:00" }) : spanField("For", step.for, (value) => { step.for = value; changed(); }, `${at}.for`),
    until ? choice("When that is past", [["go_on", "go on at once"], ["stop", "end here"]], step.past ?? "go_on", (value) => set(step, "past", value), { place: `${at}.past` }) : null];
}

function waitForm(step, at) {
  step.for ??= { event: { kind: "track", name: "" } };
  return [choice("Waits for", [["event", "an event of this visitor"], ["left_report", "leaving the report"]], step.for.event ? "event" : "left_report", (value) => { step.for = value === "event" ? { event: { kind: "track", name: "" } } : { left_report: true }; changed(true); }, { place: `${at}.for` }),
    step.for.event ? eventRule(step.for.event, `${at}.for.event`) : null,
    spanField("At most for", step.timeout, (value) => { step.timeout = value; changed(); }, `${at}.timeout`)];
}

function option(step, one, at) {
  const place = `${at}.${one.name}`;
  const label = one.name.replaceAll("_", " ").replace(/^./, (letter) => letter.toUpperCase()) + (one.needed ? " *" : "");
  const store = (value, redraw) => set(step, one.name, value, redraw);
  if (one.type === "pairs") return json(label, step[one.name], store, { at, place, hint: `${one.help} As JSON: {"from": "to"}.`, rows: 4 });
  if (one.type === "flag") return tick(one.help, step[one.name] ?? one.default, (value) => store(value), { place });
  const schema = { title: label.replace(" *", ""), description: one.help, type: { whole: "integer", number: "number" }[one.type] ?? "string", default: one.default ?? undefined };
  if (one.allowed?.length) schema.enum = one.allowed;
  return bySchema(one.name, schema, one.needed, step[one.name], store, { at, place });
}

function formatterForm(step, at) {
  const chosen = known.functions.find((one) => one.name === step.function);
  const groups = Map.groupBy ? Map.groupBy(known.functions, (one) => one.name.split(".")[0]) : known.functions.reduce((map, one) => map.set(one.name.split(".")[0], [...(map.get(one.name.split(".")[0]) ?? []), one]), new Map());
  const select = make("select", { "aria-label": "Function", onchange: () => {
    const after = known.functions.find((one) => one.name === select.value);
    for (const key of Object.keys(step)) if (!["id", "type", "name", "on_error", "function", "input"].includes(key) && !after.options.some((one) => one.name === key)) delete step[key];
    set(step, "function", select.value, true);
  } });
  for (const [group, many] of groups) select.append(make("optgroup", { label: group }, ...many.map((one) => make("option", { value: one.name, selected: one.name === step.function }, one.name.split(".")[1].replaceAll("_", " ")))));
  return [make("div", { class: "field", "data-at": `${at}.function` }, make("label", {}, "Function", select, make("small", {}, chosen ? `${chosen.help} Gives ${chosen.gives}.` : ""))),
    words("Input", typeof step.input === "string" ? step.input : JSON.stringify(step.input), (value) => { step.input = value; changed(); }, { at, place: `${at}.input`, hint: "What it is made of." }),
    ...(chosen?.options ?? []).flatMap((one) => option(step, one, at))];
}

function digestForm(step, at) {
  step.release ??= { every: "day", at: "09:00" };
  const every = step.release.count === undefined ? step.release.every : "count";
  return [words("Entry", typeof step.entry === "string" ? step.entry : JSON.stringify(step.entry), (value) => { step.entry = value; changed(); }, { at, place: `${at}.entry`, long: true, hint: "What each run adds." }),
    words("One digest for each", step.key, (value) => set(step, "key", value), { at, place: `${at}.key`, hint: "A value such as {{ account.id }}; empty: one for all." }),
    choice("Goes on", [["day", "each day"], ["week", "each week"], ["count", "at a number of entries"]], every, (value) => { step.release = value === "count" ? { count: 10 } : { every: value, at: step.release.at ?? "09:00", ...(value === "week" ? { on: "mon" } : {}) }; changed(true); }, { place: `${at}.release` }),
    every === "count" ? plain("Entries", step.release.count, (value) => { step.release.count = Number(value); changed(); }, { place: `${at}.release.count`, type: "number", min: 2, max: 1000 }) : plain("At", step.release.at, (value) => { step.release.at = value; changed(); }, { place: `${at}.release.at`, type: "time" }),
    every === "week" ? choice("On", DAYS, step.release.on, (value) => { step.release.on = value; changed(); }, { place: `${at}.release.on` }) : null];
}

function httpForm(step, at) {
  const redraw = () => changed(true);
  const body = !["GET", "HEAD"].includes(step.method ?? "GET");
  return [make("div", { class: "inline tops" }, choice("Method", ["GET", "POST", "PUT", "PATCH", "DELETE"].map((one) => [one, one]), step.method ?? "GET", (value) => { step.method = value; changed(true); }, { place: `${at}.method` })),
    words("Address", step.url, (value) => { step.url = value; changed(); }, { at, place: `${at}.url`, placeholder: "https://" }),
    pairs("Query", step, "query", { at, place: `${at}.query`, redraw }), pairs("Headers", step, "headers", { at, place: `${at}.headers`, redraw }),
    body ? json("Body", step.body, (value) => set(step, "body", value), { at, place: `${at}.body`, hint: "JSON, or a text." }) : null,
    body ? choice("Format of the body", [["", "(json)"], ["json", "JSON"], ["form", "a form"], ["text", "plain text"]], step.format, (value) => set(step, "format", value), { place: `${at}.format` }) : null,
    plain("Other statuses that are fine", (step.ok ?? []).join?.(", ") ?? step.ok, (value) => { const given = value.split(",").map((one) => one.trim()).filter(Boolean).map(Number); set(step, "ok", given.length ? given : undefined); }, { place: `${at}.ok`, hint: "Beside 200 to 299, such as 404." }),
    choice("Connection", [["", "no connection"], ...known.connections.filter((one) => one.app === "webhook").map((one) => [one.id, one.name])], step.connection, (value) => set(step, "connection", value), { place: `${at}.connection`, hint: "Whose credentials are sent along." })];
}

function findForm(step, at) {
  const chosen = app(step.app);
  const able = known.apps.filter((one) => one.actions.some((found) => found.finds));
  const part = (name, title, finds) => {
    const fitting = (chosen?.actions ?? []).filter((found) => Boolean(found.finds) === finds);
    const thing = (step[name] ??= { action: "", inputs: {} });
    const one = chosen?.actions.find((found) => found.id === thing.action);
    return make("fieldset", { class: "part-of", "data-at": `${at}.${name}` }, make("legend", {}, title),
      choice(`${title}: action`, [["", "choose an action"], ...fitting.map((found) => [found.id, found.title])], thing.action, (value) => { thing.action = value; thing.inputs = {}; changed(true); }, { place: `${at}.${name}.action` }),
      ...inputs(thing, one, at, `${at}.${name}`));
  };
  return [make("div", { class: "inline tops" }, choice("App", able.map((one) => [one.id, one.name]), step.app, (value) => { Object.assign(step, finding(app(value))); delete step.connection; changed(true); }, { place: `${at}.app` }), connection(step, at)),
    part("find", "Find", true), part("create", "Create, where nothing is found", false)];
}

function workflowForm(step, at) {
  const others = known.workflows.filter((one) => one.called && one.id !== state.workflow);
  return [choice("Workflow", [["", "choose a workflow"], ...others.map((one) => [one.id, one.name])], step.workflow, (value) => { step.workflow = value; changed(true); }, { place: `${at}.workflow`, hint: others.length ? "" : "There is no workflow with the trigger “When another workflow calls it” yet." }),
    pairs("Inputs", step, "inputs", { at, place: `${at}.inputs`, redraw: () => changed(true), hint: "What it sees as input." }),
    tick("Wait until it is done", step.wait ?? true, (value) => set(step, "wait", value), { place: `${at}.wait` })];
}
