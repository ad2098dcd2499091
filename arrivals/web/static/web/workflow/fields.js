// Fields of a form: labelled controls that take values of earlier steps, and those that a JSON Schema asks for.
import { choose, make, text } from "../dom.js";
import { changed, known } from "./state.js";
import { picker } from "./values.js";

export const pin = { whom: () => [null, undefined] }; // whose data the values come from: set by trying.js

function labelled(label, control, at, place, hint, values) {
  return make("div", { class: "field", "data-at": place }, make("label", {}, label, control, hint ? make("small", {}, hint) : null), values ? picker(control, at, label, () => pin.whom()) : null);
}

// A text in which values may stand. at: the path of the step, place: that of the field.
export function words(label, value, change, { at, place, hint = "", long = false, placeholder = "", bare = false, type = "text" } = {}) {
  let control;
  if (long) {
    control = make("textarea", { rows: 3, "aria-label": label, placeholder, oninput: () => change(control.value) });
    control.value = value ?? "";
  } else control = text(label, value, change, { placeholder, type });
  if (bare) control.dataset.bare = "1";
  return labelled(label, control, at, place, hint, true);
}

export function plain(label, value, change, { place, hint = "", ...attributes } = {}) {
  return labelled(label, text(label, value, change, { placeholder: "", ...attributes }), "", place, hint, false);
}

export function choice(label, options, value, change, { place, hint = "" } = {}) {
  return labelled(label, choose(label, options, value ?? "", change), "", place, hint, false);
}

export function tick(label, value, change, { place } = {}) {
  const box = make("input", { type: "checkbox", checked: Boolean(value), onchange: () => change(box.checked) });
  return make("label", { class: "check", "data-at": place }, box, label);
}

// JSON, with templates in its texts; kept as a text while it is not JSON yet.
export function json(label, value, change, { at, place, hint = "", rows = 3 } = {}) {
  const control = make("textarea", { rows, spellcheck: "false", class: "code", "aria-label": label, oninput: () => {
    try {
      change(control.value.trim() ? JSON.parse(control.value) : "");
      control.setCustomValidity("");
    } catch {
      change(control.value);
    }
  } });
  control.value = value === undefined || value === "" ? "" : typeof value === "string" ? value : JSON.stringify(value, null, 2);
  return labelled(label, control, at, place, hint, true);
}

// Names with values: headers, a query, inputs of another workflow.
export function pairs(label, thing, name, { at, place, hint = "", redraw }) {
  const rows = Object.entries(thing[name] ?? {});
  const store = () => {
    const given = rows.filter(([key]) => key !== "");
    if (given.length) thing[name] = Object.fromEntries(given);
    else delete thing[name];
    changed();
  };
  return make("fieldset", { class: "pairs", "data-at": place }, make("legend", {}, label), hint ? make("small", {}, hint) : null,
    ...rows.map((row, index) => make("div", { class: "pair" },
      text(`${label}: name ${index + 1}`, row[0], (value) => { row[0] = value; store(); }, { placeholder: "name" }),
      words(`${label}: value ${index + 1}`, row[1], (value) => { row[1] = value; store(); }, { at, place: `${place}.${row[0]}` }),
      make("button", { type: "button", class: "small remove", "aria-label": `Remove ${label} ${index + 1}`, onclick: () => { rows.splice(index, 1); store(); redraw(); } }, "Remove"))),
    make("div", {}, make("button", { type: "button", class: "small", onclick: () => { (thing[name] ??= {})[""] = ""; redraw(); } }, `+ ${label.toLowerCase()}`)));
}

const VALUE = "=value"; // the choice that is no value of its own

// One of a few values, or a value that comes from somewhere else.
function listed(label, options, value, change, where) {
  const free = typeof value === "string" && value.includes("{");
  const select = choose(label, [...options, [VALUE, "a value of another step …"]], free ? VALUE : value ?? "", (given) => change(given === VALUE ? "{{  }}" : given, true));
  const field = labelled(label, select, "", where.place, where.hint, false);
  return free ? [field, words(`${label}: value`, value, (given) => change(given), where)] : [field];
}

function cast(type, value) {
  if (value === "" || value.includes("{")) return value;
  const number = Number(value);
  return (type === "integer" || type === "number") && !Number.isNaN(number) ? number : value;
}

// The fields of one input by its schema. change(value, redraw).
export function bySchema(name, schema, needed, value, change, where) {
  const label = `${schema.title ?? name}${needed ? " *" : ""}`;
  const options = { ...where, hint: schema.description ?? "" };
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  if (schema.enum) return listed(label, [["", schema.default === undefined ? "–" : `(${schema.default})`], ...schema.enum.map((one) => [String(one), String(one)])], value === undefined ? undefined : String(value), (given, redraw) => change(schema.enum.find((one) => String(one) === given) ?? given, redraw), options);
  if (type === "boolean") return listed(label, [["", schema.default === undefined ? "–" : schema.default ? "(yes)" : "(no)"], ["true", "yes"], ["false", "no"]], value === undefined ? undefined : String(value), (given, redraw) => change({ true: true, false: false }[given] ?? given, redraw), options);
  if (schema["x-widget"] === "json" || type === "object" || type === "array") return [json(label, value, change, options)];
  const long = schema["x-widget"] === "textarea" || (schema.maxLength ?? 0) > 500;
  const number = type === "integer" || type === "number";
  return [words(label, value, (given) => change(cast(type, given)), { ...options, long, placeholder: number && schema.default !== undefined ? String(schema.default) : "" })];
}

export function app(id) {
  return known.apps.find((one) => one.id === id);
}

export function action(step) {
  return app(step.app)?.actions.find((one) => one.id === step.action);
}
