// The segment builder: draws the rules of the JSON field, and writes every change back to it.
import { button, choose, data, make, markWrong, suggestions, text, valueField } from "./dom.js";

const known = data("known");
const field = document.getElementById("rules");
const root = document.getElementById("builder");
const preview = document.getElementById("preview");
const KINDS = [["track", "did the event"], ["page", "saw the page"], ["feature", "used the feature"], ["event", "did anything"], ["survey", "answered the survey"], ["visitor", "has the field"], ["segment", "is in the segment"], ["list", "is on the list"]];
const FRESH = {
  track: { kind: "track", name: "", when: { within: "30d" } }, page: { kind: "page", name: "", when: { within: "30d" } },
  feature: { kind: "feature", name: "", when: { within: "30d" } },
  event: { kind: "event", when: { within: "30d" } }, survey: { kind: "survey", survey: "nps", when: { within: "1d" } },
  visitor: { kind: "visitor", field: "agent.plan", op: "is", value: "" }, segment: { kind: "segment", segment: known.segments[0]?.[0] ?? "" }, list: { kind: "list", list: known.lists[0]?.[0] ?? "" },
};
const lists = { track: suggestions("names-track", known.tracks), page: suggestions("names-page", known.pages), feature: suggestions("names-feature", known.features), survey: suggestions("names-survey", known.surveys), field: suggestions("names-field", known.fields) };

let rules = read();

function read() {
  try {
    const value = JSON.parse(field.value);
    return Array.isArray(value?.all) ? value : null;
  } catch {
    return null;
  }
}

function changed(redraw = false) {
  field.value = JSON.stringify(rules, null, 2);
  preview.dispatchEvent(new CustomEvent("rules-changed"));
  if (redraw) draw();
}

function set(rule, name, value, redraw = false) {
  if (value === undefined || value === "") delete rule[name];
  else rule[name] = value;
  changed(redraw);
}

function whenField(rule) {
  const when = rule.when ?? { ever: true };
  const kind = typeof when === "object" ? Object.keys(when)[0] : "ever";
  const defaults = { within: "30d", since: new Date().toISOString().slice(0, 10), between: ["2026-01-01", "2026-12-31"], ever: true };
  const parts = [choose("when", [["within", "within the last"], ["since", "since"], ["between", "between"], ["ever", "ever"]], kind, (value) => set(rule, "when", { [value]: defaults[value] }, true))];
  if (kind === "within") parts.push(text("30d", when.within, (value) => set(rule, "when", { within: value }), { size: 5 }));
  if (kind === "since") parts.push(text("date", when.since, (value) => set(rule, "when", { since: value }), { size: 11 }));
  if (kind === "between") [0, 1].forEach((at) => parts.push(text(at ? "to" : "from", when.between[at], (value) => { when.between[at] = value; set(rule, "when", { between: [...when.between] }); }, { size: 11 })));
  return parts;
}

function timesField(rule) {
  const times = rule.times ?? { at_least: 1 };
  const kind = Object.keys(times)[0];
  return [
    choose("times", [["at_least", "at least"], ["at_most", "at most"], ["exactly", "exactly"]], kind, (value) => set(rule, "times", { [value]: times[kind] })),
    text("times", times[kind], (value) => set(rule, "times", { [Object.keys(rule.times ?? times)[0]]: Number.parseInt(value, 10) }), { type: "number", min: 0 }), "times",
  ];
}

function whereRows(rule, at) {
  return (rule.where ?? []).map((one, index) => make("div", { class: "where", "data-at": `${at}.where[${index}]` }, "where",
    text("property", one.property, (value) => { one.property = value; changed(); }, { size: 14 }),
    choose("operator", known.operators, one.op, (value) => { one.op = value; delete one.value; changed(true); }),
    valueField(one.op, one.value, (value) => { one.value = value; changed(); }),
    button("Remove", () => { rule.where.splice(index, 1); if (!rule.where.length) delete rule.where; changed(true); })));
}

function body(rule, at) {
  if (rule.kind === "visitor") {
    return [text("field", rule.field, (value) => set(rule, "field", value), { list: lists.field, class: "grow" }),
      choose("operator", known.operators, rule.op, (value) => { delete rule.value; set(rule, "op", value, true); }),
      ...valueField(rule.op, rule.value, (value) => { rule.value = value; changed(); })];
  }
  const not = choose("did", [["true", "did"], ["false", "did not"]], String(rule.did ?? true), (value) => set(rule, "did", value === "true" ? undefined : false));
  if (rule.kind === "segment" || rule.kind === "list") return [not, choose(rule.kind, known[`${rule.kind}s`], rule[rule.kind], (value) => set(rule, rule.kind, value))];
  const naming = rule.kind === "survey" ? "survey" : rule.kind in rule ? rule.kind : "name";
  const parts = [not];
  if (rule.kind !== "event") parts.push(text(naming, rule[naming], (value) => { rule[naming] = value; changed(); }, { list: lists[rule.kind], class: "grow" }));
  if (rule.kind === "survey") {
    parts.push(choose("answer", [["", "with any answer"], ["score", "with a score that"], ["reason", "with a reason that"]], rule.part ?? "", (value) => {
      for (const name of ["part", "op", "value"]) delete rule[name];
      if (value) Object.assign(rule, { part: value, op: value === "score" ? "gte" : "contains", value: value === "score" ? 9 : "" });
      changed(true);
    }));
    if (rule.part) parts.push(choose("operator", known.operators, rule.op, (value) => { delete rule.value; set(rule, "op", value, true); }), ...valueField(rule.op, rule.value, (value) => { rule.value = value; changed(); }));
  }
  return [...parts, ...timesField(rule), ...whenField(rule),
    button("+ where", () => { (rule.where ??= []).push({ property: "", op: "is", value: "" }); changed(true); }), ...whereRows(rule, at)];
}

function draw() {
  if (!rules) {
    root.replaceChildren(make("p", { class: "quiet" }, "These rules can only be shown as JSON below."));
    return;
  }
  const groups = rules.all.map((group, number) => {
    const at = `rules.all[${number}]`;
    const rows = group.any.flatMap((rule, index) => [index ? make("span", { class: "joiner" }, "OR") : null,
      make("div", { class: "rule", "data-at": `${at}.any[${index}]` },
        choose("kind", KINDS, rule.kind, (value) => { group.any[index] = structuredClone(FRESH[value]); changed(true); }),
        ...body(rule, `${at}.any[${index}]`),
        button("Remove", () => { group.any.splice(index, 1); if (!group.any.length) rules.all.splice(number, 1); changed(true); }, { class: "small remove" }))]);
    return [number ? make("span", { class: "joiner" }, "AND") : null, make("div", { class: "group", "data-at": at }, ...rows, make("div", {}, button("+ or", () => { group.any.push(structuredClone(FRESH.track)); changed(true); })))];
  });
  root.replaceChildren(...groups.flat().filter(Boolean), rules.all.length ? "" : make("p", { class: "quiet" }, "Without a rule it is everybody."),
    make("div", {}, button(rules.all.length ? "+ and" : "+ rule", () => { rules.all.push({ any: [structuredClone(FRESH.track)] }); changed(true); })));
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
