// The trigger's form, made of the fields that its kind asks for.
import { button, choose, make, suggestions, text, valueField } from "../dom.js";
import { changed, known, set, state, walk } from "./state.js";
import { choice, plain, words } from "./fields.js";

const RULES = [["track", "the event"], ["page", "the page"], ["feature", "the feature"], ["survey", "an answer to the survey"], ["event", "any event"]];
const asked = new Map(); // what was seen in events, by question

export function kind() {
  return known.triggers.find((one) => one.id === state.definition.trigger?.kind) ?? known.triggers[0];
}

function fresh(id) {
  const after = known.triggers.find((one) => one.id === id);
  const before = kind();
  const made = { kind: id };
  for (const field of after.fields) {
    if (field.name === "report") made.report = before.kind === after.kind ? state.definition.trigger?.report ?? "" : "";
    else if (field.type === "survey") made.survey = known.surveys[0] ?? "nps";
    else if (field.type === "event") made.event = { kind: "track", name: "" };
    else if (field.name === "every") Object.assign(made, { every: "day", at: "09:00" });
  }
  return made;
}

function turn(id) {
  const before = kind();
  state.definition.trigger = fresh(id);
  const after = kind();
  // The message of a new workflow says what started it, as long as nobody wrote another.
  for (const { step } of walk()) if (step.inputs?.text === before.text) step.inputs.text = after.text;
  changed(true);
}

function seen(question) {
  const query = new URLSearchParams(question).toString();
  if (!asked.has(query)) asked.set(query, fetch(`/segments/suggest?${query}`).then((answer) => (answer.ok ? answer.json() : { items: [] })).then((found) => found.items, () => []));
  return asked.get(query);
}

let offered = 0;
function offering(input, question) {
  const list = make("datalist", { id: `event-seen-${offered++}` });
  input.setAttribute("list", list.id);
  input.addEventListener("focus", async () => {
    const wanted = question();
    if (wanted) list.replaceChildren(...(await seen(wanted)).map((value) => make("option", { value })));
  });
  return [input, list];
}

// An event rule, as in segments but without how often and when. place: its path.
export function eventRule(rule, place) {
  const names = { track: known.tracks, page: known.pages, feature: known.features, survey: known.surveys };
  const naming = rule.kind === "survey" ? "survey" : rule.kind in rule && rule.kind !== "event" ? rule.kind : "name";
  const question = () => ({ kind: rule.kind, ...(rule[naming] && naming !== "page" && naming !== "feature" ? { name: rule[naming] } : {}) });
  const parts = [choose("Kind of event", RULES, rule.kind, (value) => {
    for (const key of Object.keys(rule)) if (key !== "where") delete rule[key];
    rule.kind = value;
    if (value === "survey") rule.survey = known.surveys[0] ?? "nps";
    else if (value !== "event") rule.name = "";
    changed(true);
  })];
  if (rule.kind !== "event") parts.push(text("Name of the event", rule[naming], (value) => { rule[naming] = value; changed(); }, { list: suggestions(`names-of-${rule.kind}`, names[rule.kind] ?? []), class: "grow", "data-at": `${place}.${naming}` }));
  const where = (rule.where ?? []).map((one, index) => make("div", { class: "where", "data-at": `${place}.where[${index}]` }, make("span", { class: "joiner" }, index ? "and" : "where"),
    ...offering(text(`property ${index + 1}`, one.property, (value) => { one.property = value; changed(); }, { size: 14 }), question),
    choose(`operator ${index + 1}`, known.operators.map((op) => [op, known.words[op] ?? op]), one.op, (value) => { one.op = value; delete one.value; changed(true); }),
    ...valueField(one.op, one.value, (value) => { one.value = value; changed(); }).flatMap((control) => offering(control, () => one.property && { ...question(), property: one.property })),
    button("Remove", () => { rule.where.splice(index, 1); if (!rule.where.length) delete rule.where; changed(true); }, { "aria-label": `Remove the condition ${index + 1}` })));
  return make("div", { class: "rule", "data-at": place }, ...parts, button("+ where", () => { (rule.where ??= []).push({ property: "", op: "is", value: "" }); changed(true); }), ...where);
}

// Those who are on another report, for a trigger that needs none: one run for each of them.
function eachField(field, place) {
  const trigger = state.definition.trigger;
  const fitting = known.reports.filter((one) => one.kind === "visitor");
  return choice(field.label, [["", "nobody: one run"], ...fitting.map((one) => [one.id, one.name])], trigger[field.name]?.report, (value) => set(trigger, field.name, value ? { report: value } : undefined, true), { place });
}

function reportField(place) {
  const now = kind();
  const fitting = known.reports.filter((one) => one.kind === now.kind);
  if (!fitting.length) return make("p", { class: "quiet", "data-at": place }, `There is no report of ${now.kind}s yet. `, make("a", { href: `/reports/new?kind=${now.kind}` }, "Make one"));
  return choice("Report", [["", "choose a report"], ...fitting.map((one) => [one.id, one.name])], state.definition.trigger.report, (value) => { state.definition.trigger.report = value; changed(true); }, { place });
}

function whenField(field) {
  const trigger = state.definition.trigger;
  const place = `trigger.${field.name}`;
  const store = (value) => set(trigger, field.name, value);
  const hint = field.hint;
  switch (field.type) {
    case "report": return field.name === "report" ? reportField(place) : eachField(field, place);
    case "survey": return plain(field.label, trigger.survey, (value) => { trigger.survey = value; changed(); }, { place, list: suggestions("known-surveys", known.surveys) });
    case "segment": return choice(field.label, [["", "everybody"], ...known.segments.map((one) => [one.id, one.name])], trigger.segment, (value) => set(trigger, "segment", value), { place });
    case "event": return eventRule(trigger.event ??= { kind: "track", name: "" }, place);
    case "choice": return choice(field.label, field.options, field.name === "every" && trigger.cron !== undefined ? "cron" : trigger[field.name], (value) => {
      const kept = { kind: trigger.kind, ...(trigger.each && { each: trigger.each }) };
      if (value === "cron") state.definition.trigger = { ...kept, cron: trigger.cron ?? "0 9 * * 1" };
      else state.definition.trigger = { ...kept, [field.name]: value, ...({ day: { at: trigger.at ?? "09:00" }, week: { at: trigger.at ?? "09:00", on: "mon" }, month: { at: trigger.at ?? "09:00", on: 1 } }[value] ?? {}) };
      changed(true);
    }, { place, hint });
    case "time": return plain(field.label, trigger[field.name], store, { place, hint, type: "time" });
    case "days": {
      const days = Array.isArray(trigger.on) ? trigger.on : trigger.on ? [trigger.on] : [];
      return make("fieldset", { "data-at": place }, make("legend", {}, field.label), make("div", { class: "inline" }, ...field.options.map(([id, name]) => make("label", { class: "check" }, make("input", { type: "checkbox", checked: days.includes(id), onchange: (event) => {
        const chosen = field.options.map(([one]) => one).filter((one) => (one === id ? event.target.checked : days.includes(one)));
        set(trigger, "on", chosen.length > 1 ? chosen : chosen[0], true);
      } }), name))));
    }
    case "workflows": {
      const chosen = trigger.workflows ?? [];
      return make("fieldset", { "data-at": place }, make("legend", {}, field.label), make("small", {}, hint), ...known.workflows.map((one) => make("label", { class: "check" }, make("input", { type: "checkbox", checked: chosen.includes(one.id), onchange: (event) => {
        const now = event.target.checked ? [...chosen, one.id] : chosen.filter((id) => id !== one.id);
        set(trigger, "workflows", now.length ? now : undefined, true);
      } }), one.name)));
    }
    case "template": return words(field.label, trigger[field.name], store, { at: "", place, hint });
    default: return plain(field.label, trigger[field.name], (value) => store(/^\d+$/.test(value) ? Number(value) : value), { place, hint });
  }
}

function reentryFields() {
  const now = kind();
  const event = now.id === "event";
  if (!event && (!now.kind || now.kind === "response")) return null;
  const definition = state.definition;
  const every = typeof definition.reentry === "object";
  const who = now.kind === "account" ? "An account that" : "A visitor who";
  const again = event ? "does it again" : now.out ? "leaves again" : "leaves and returns";
  return make("div", { class: "rule", "data-at": "reentry" }, `${who} ${again}`, choose("Re-entry", [["never", "does not run again"], ["each_return", now.out || event ? "runs each time" : "runs at each return"], ["every_days", "runs at most every … days"]], every ? "every_days" : definition.reentry ?? "never", (value) => { definition.reentry = value === "every_days" ? { every_days: 30 } : value; changed(true); }),
    every ? text("days", definition.reentry.every_days, (value) => { definition.reentry = { every_days: Number.parseInt(value, 10) }; changed(); }, { type: "number", min: 1 }) : null);
}

export function triggerCard() {
  const now = kind();
  const every = state.definition.trigger?.cron === undefined ? state.definition.trigger?.every : "cron";
  state.definition.trigger ??= fresh(now.id);
  const address = now.id === "webhook" ? make("p", { class: "quiet", "data-at": "trigger.address" }, known.address ? ["Its address: ", make("code", {}, known.address), " ", make("button", { type: "button", class: "copy", "data-copy": known.address }, "Copy")] : "Its address is shown on the workflow's page when it is saved.") : null;
  return make("section", { class: "group trigger", "data-at": "trigger", "aria-label": "How it starts" },
    choice("Trigger", known.triggers.map((one) => [one.id, one.words]), now.id, turn, { place: "trigger.kind" }),
    ...now.fields.filter((field) => !field.when.length || field.when.includes(every)).map(whenField), address, reentryFields());
}
