// The segment builder: draws the rules of the JSON field, and writes every change back to it.
import { button, choose, data, make, markWrong, parsed, suggestions, text, valueField } from "./dom.js";

const known = data("known");
const field = document.getElementById("rules");
const root = document.getElementById("builder");
const preview = document.getElementById("preview");

// What a rule is about, as it is shown; a metric is a field in the data.
const KINDS = [
  ["track", "did the event"], ["page", "saw the page"], ["feature", "used the feature"], ["event", "did anything"], ["survey", "answered the survey"],
  ["visitor", "has the field"], ["metric", "has the metric"], ["account", "is of an account with the field"],
  ["account_metric", "is of an account with the metric"], ["segment", "is in the segment"], ["list", "is on the list"],
];
const FRESH = {
  track: { kind: "track", name: "", when: { within: "30d" } },
  page: { kind: "page", name: "", when: { within: "30d" } },
  feature: { kind: "feature", name: "", when: { within: "30d" } },
  event: { kind: "event", when: { within: "30d" } },
  survey: { kind: "survey", survey: known.surveys[0] ?? "nps", when: { within: "1d" } },
  visitor: { kind: "visitor", field: known.fields[1] ?? "agent.plan", op: "is", value: "" },
  metric: { kind: "visitor", field: "metric.days_active", op: "gte", value: 5, when: { within: "30d" } },
  account: { kind: "account", field: known.account_fields[0], op: "is", value: "" },
  account_metric: { kind: "account", field: "metric.visitors", op: "gte", value: 2, when: { within: "30d" } },
  segment: { kind: "segment", segment: known.segments[0]?.[0] ?? "" },
  list: { kind: "list", list: known.lists[0]?.[0] ?? "" },
};
const UNITS = [["d", "days"], ["h", "hours"], ["m", "minutes"]];
const names = {
  track: suggestions("names-track", known.tracks), page: suggestions("names-page", known.pages),
  feature: suggestions("names-feature", known.features), survey: suggestions("names-survey", known.surveys), visitor: suggestions("names-field", known.fields),
  account: suggestions("names-account-field", known.account_fields),
};

let rules = read();

function read() {
  return parsed(field.value, (value) => Array.isArray(value?.all) && value.all.every((group) => Array.isArray(group?.any)));
}

function changed(redraw = false) {
  field.value = JSON.stringify(rules, null, 2);
  preview.dispatchEvent(new CustomEvent("rules-changed"));
  if (redraw) draw();
}

function set(thing, name, value, redraw = false) {
  if (value === undefined || value === "") delete thing[name];
  else thing[name] = value;
  changed(redraw);
}

function shown(rule) {
  const metric = typeof rule?.field === "string" && rule.field.startsWith("metric.");
  if (rule?.kind === "visitor") return metric ? "metric" : "visitor";
  if (rule?.kind === "account") return metric ? "account_metric" : "account";
  const naming = named(rule);
  if (naming && typeof rule[naming] !== "string") return null;
  return FRESH[rule?.kind] ? rule.kind : null;
}

// The key that says which event, page, feature or survey; pages and features are told by a name or by their id.
function named(rule) {
  if (rule?.kind === "page" || rule?.kind === "feature") return rule.kind in rule ? rule.kind : "name";
  return { track: "name", survey: "survey" }[rule?.kind];
}

// What was seen in events and metadata, fetched once for each question and offered when somebody writes.
const asked = new Map();
function seen(question) {
  const query = new URLSearchParams(question).toString();
  if (!asked.has(query)) {
    asked.set(query, fetch(`/segments/suggest?${query}`).then((answer) => (answer.ok ? answer.json() : { items: [] })).then((found) => found.items, () => []));
  }
  return asked.get(query);
}

let offered = 0;
function offering(input, question) {
  const id = `seen-${offered++}`;
  const list = make("datalist", { id });
  input.setAttribute("list", id);
  input.addEventListener("focus", async () => {
    const wanted = question();
    if (wanted) list.replaceChildren(...(await seen(wanted)).map((value) => make("option", { value })));
  });
  return [input, list];
}

function events(rule) {
  const question = { kind: rule.kind };
  const name = rule.kind === "survey" ? rule.survey : rule.name;
  if (name) question.name = name;
  return question;
}

function compared(thing, operators, question, words = known.words) {
  const controls = valueField(thing.op, thing.value, (value) => { thing.value = value; changed(); });
  const texts = ["is", "is_not", "in", "not_in", "contains", "not_contains", "starts_with"].includes(thing.op);
  return [
    choose("operator", operators.map((one) => [one, words[one]]), thing.op, (value) => {
      const many = (op) => (op === "between" ? 2 : op.endsWith("in") && !op.startsWith("contains") ? 3 : op.endsWith("set") ? 0 : 1);
      if (many(value) !== many(thing.op)) delete thing.value;
      else if (/contain|starts/.test(value) && thing.value !== undefined) thing.value = String(thing.value);
      set(thing, "op", value, true);
    }),
    ...controls.flatMap((control) => (texts && question ? offering(control, question) : [control])),
  ];
}

function whenField(rule) {
  const when = rule.when ?? { ever: true };
  const kind = typeof when === "object" && when !== null ? Object.keys(when)[0] : "ever";
  const today = new Date().toISOString().slice(0, 10);
  const defaults = { within: "30d", last: "7d", period: "this_month", since: today, between: [`${today.slice(0, 8)}01`, today], ever: true };
  const parts = [choose("when", [["within", "within the last"], ["last", "in the last full"], ["period", "in the period"], ["since", "since"], ["between", "between"], ["ever", "ever"]], kind, (value) => set(rule, "when", { [value]: defaults[value] }, true))];
  if (kind === "within") {
    const [, number = "", unit = "d"] = /^(\d*)([mhd])$/.exec(when.within) ?? [null, when.within, "d"];
    const both = { number, unit };
    const store = () => set(rule, "when", { within: `${both.number}${both.unit}` });
    parts.push(text("number", number, (value) => { both.number = value; store(); }, { size: 4, inputmode: "numeric" }), choose("unit", UNITS, unit, (value) => { both.unit = value; store(); }));
  }
  if (kind === "last") parts.push(text("number", when.last.replace(/d$/, ""), (value) => set(rule, "when", { last: `${value}d` }), { size: 4, inputmode: "numeric" }), "days");
  if (kind === "period") parts.push(choose("period", known.periods, when.period, (value) => set(rule, "when", { period: value })));
  if (kind === "since") parts.push(text("date", when.since, (value) => set(rule, "when", { since: value }), { size: 11 }));
  if (kind === "between") [0, 1].forEach((at) => parts.push(text(at ? "last day" : "first day", when.between[at], (value) => { when.between[at] = value; set(rule, "when", { between: [...when.between] }); }, { size: 11 })));
  return make("span", { class: "part" }, ...parts);
}

function timesField(rule) {
  const times = rule.times ?? { at_least: 1 };
  const range = "at_least" in times && "at_most" in times;
  const kind = range ? "range" : Object.keys(times)[0];
  const first = times.at_least ?? times.at_most ?? times.exactly;
  const number = (label, name) => text(label, times[name], (value) => { times[name] = Number.parseInt(value, 10); set(rule, "times", { ...times }); }, { type: "number", min: name === "exactly" ? 0 : 1 });
  return make("span", { class: "part" },
    choose("times", [["at_least", "at least"], ["at_most", "at most"], ["exactly", "exactly"], ["range", "from"]], kind, (value) => set(rule, "times", value === "range" ? { at_least: first, at_most: first } : { [value]: first }, true)),
    ...(range ? [number("at least", "at_least"), "to", number("at most", "at_most")] : [number("number of times", kind)]), "times");
}

function whereRows(rule, at) {
  return (rule.where ?? []).map((one, index) => make("div", { class: "where", "data-at": `${at}.where[${index}]` }, make("span", { class: "joiner" }, index ? "and" : "where"),
    ...offering(text("property", one.property, (value) => { one.property = value; changed(); }, { size: 14 }), () => events(rule)),
    ...compared(one, known.operators, () => one.property && { ...events(rule), property: one.property }),
    button("Remove", () => { rule.where.splice(index, 1); if (!rule.where.length) delete rule.where; changed(true); }, { "aria-label": `Remove the condition ${index + 1}` })));
}

function didField(rule, yes, no) {
  return choose("did", [["true", yes], ["false", no]], String(rule.did ?? true), (value) => set(rule, "did", value === "true" ? undefined : false));
}

function fieldBody(rule) {
  return [text("field", rule.field, (value) => { rule.field = value; changed(); }, { list: names[rule.kind], class: "grow" }),
    ...compared(rule, known.operators, () => rule.field && { owner: rule.kind, field: rule.field })];
}

function metricBody(rule) {
  const frequency = rule.field === "metric.frequency";
  const operators = frequency ? known.of_words : known.metrics.times.includes(rule.field) ? known.of_times : known.of_numbers;
  const family = (name) => (name === "metric.frequency" ? "band" : known.metrics.times.includes(name) ? "time" : "number");
  const parts = [choose("metric", known.metrics[rule.kind], rule.field, (value) => {
    if (family(value) !== family(rule.field)) {
      delete rule.when;
      Object.assign(rule, { band: { op: "is", value: "high" }, time: { op: "gte", value: "today-30d" }, number: { op: "gte", value: 5 } }[family(value)]);
    }
    set(rule, "field", value, true);
  })];
  if (frequency && ["is", "is_not"].includes(rule.op)) {
    parts.push(choose("operator", operators.map((one) => [one, known.words[one]]), rule.op, (value) => { if (value.endsWith("in")) rule.value = [rule.value]; set(rule, "op", value, true); }),
      choose("band", known.metrics.bands, rule.value, (value) => set(rule, "value", value)), make("span", { class: "quiet" }, "of the last 30 full days"));
    return parts;
  }
  if (frequency && !rule.op.endsWith("in")) rule.op = "in";
  parts.push(...compared(rule, operators, null, operators === known.of_times ? known.words_of_times : known.words));
  return frequency ? parts : [...parts, whenField(rule)];
}

function body(rule, at) {
  const kind = shown(rule);
  if (kind === "visitor" || kind === "account") return fieldBody(rule);
  if (kind === "metric" || kind === "account_metric") return metricBody(rule);
  if (kind === "segment") return [didField(rule, "is", "is not"), choose("segment", known.segments, rule.segment, (value) => set(rule, "segment", value))];
  if (kind === "list") {
    return [didField(rule, "is", "is not"), choose("list", known.lists, rule.list, (value) => set(rule, "list", value)),
      choose("whose id", [["visitor", "by its own id"], ["account", "by its account's id"]], rule.of ?? "visitor", (value) => set(rule, "of", value === "visitor" ? undefined : value)),
      known.lists.length ? null : make("a", { href: "/segments/lists" }, "Upload a list")];
  }
  if (kind === null) return [make("code", { class: "grow" }, JSON.stringify(rule)), make("span", { class: "quiet" }, "Change it as JSON below.")];
  const parts = [didField(rule, "did", "did not")];
  const naming = named(rule) ?? "name";
  if (kind !== "event") parts.push(text(naming, rule[naming], (value) => { rule[naming] = value; changed(); }, { list: names[kind], class: "grow" }));
  if (kind === "survey") {
    parts.push(choose("answer", [["", "with any answer"], ["score", "with a score that"], ["reason", "with a reason that"]], rule.part ?? "", (value) => {
      for (const name of ["part", "op", "value"]) delete rule[name];
      if (value) Object.assign(rule, { part: value, op: value === "score" ? "gte" : "contains", value: value === "score" ? 9 : "" });
      changed(true);
    }));
    if (rule.part) parts.push(...compared(rule, known.operators, () => ({ ...events(rule), property: rule.part })));
  }
  return [...parts, timesField(rule), whenField(rule),
    button("+ where", () => { (rule.where ??= []).push({ property: "", op: "is", value: "" }); changed(true); }), ...whereRows(rule, at)];
}

function ruleRow(group, index, number) {
  const at = `rules.all[${number}].any[${index}]`;
  const rule = group.any[index];
  const kind = shown(rule);
  const kinds = kind === null ? [["", "another rule"], ...KINDS] : KINDS;
  return make("div", { class: "rule", "data-at": at, role: "group", "aria-label": `Rule ${index + 1} of group ${number + 1}` },
    choose("kind", kinds, kind ?? "", (value) => { if (value) group.any[index] = structuredClone(FRESH[value]); changed(true); }),
    ...body(rule, at),
    button("Remove", () => { group.any.splice(index, 1); if (!group.any.length) rules.all.splice(number, 1); changed(true); }, { class: "small remove", "aria-label": `Remove rule ${index + 1} of group ${number + 1}` }));
}

// A redrawn form keeps the place of whoever uses the keyboard.
function place() {
  const control = document.activeElement;
  const at = root.contains(control) ? control.closest("[data-at]")?.dataset.at : null;
  return at ? { at, label: control.getAttribute("aria-label") } : null;
}

function focus(at, label) {
  const home = root.querySelector(`[data-at="${CSS.escape(at)}"]`);
  [...(home?.querySelectorAll("[aria-label]") ?? [])].find((one) => one.getAttribute("aria-label") === label)?.focus();
}

function draw() {
  if (!rules) {
    root.replaceChildren(make("p", { class: "quiet" }, "These rules can only be shown as JSON below."));
    return;
  }
  const held = place();
  const add = (group, at) => { group.any.push(structuredClone(FRESH.track)); changed(true); focus(`${at}.any[${group.any.length - 1}]`, "kind"); };
  const groups = rules.all.map((group, number) => {
    const at = `rules.all[${number}]`;
    const rows = group.any.flatMap((_, index) => [index ? make("span", { class: "joiner" }, "OR") : null, ruleRow(group, index, number)]);
    return [number ? make("span", { class: "joiner" }, "AND") : null, make("div", { class: "group", "data-at": at }, ...rows, make("div", {}, button("+ or", () => add(group, at), { "aria-label": `Add a rule to group ${number + 1}` })))];
  });
  root.replaceChildren(...groups.flat().filter(Boolean), rules.all.length ? "" : make("p", { class: "quiet" }, "Without a rule it is everybody."),
    make("div", {}, button(rules.all.length ? "+ and" : "+ rule", () => { rules.all.push({ any: [] }); add(rules.all.at(-1), `rules.all[${rules.all.length - 1}]`); }, { "aria-label": "Add a group of rules" })));
  if (held) focus(held.at, held.label);
}

field.addEventListener("input", () => { rules = read(); draw(); preview.dispatchEvent(new CustomEvent("rules-changed")); });
// A rule that is still being written is not a mistake yet.
preview.addEventListener("htmx:beforeRequest", (event) => {
  if (!rules || ![...root.querySelectorAll("input.grow")].some((one) => one.value.trim() === "")) return;
  event.preventDefault();
  markWrong(root, undefined);
  preview.replaceChildren(make("p", { class: "quiet" }, "Fill in the empty field to see who it is."));
});
document.addEventListener("htmx:afterSwap", () => markWrong(root, preview.querySelector("[data-path]")?.dataset.path));
draw();
markWrong(root, document.querySelector("main > [data-path]")?.dataset.path);
