// The form of a page or feature: draws the rules of the JSON field, and writes every change back to it.
import { button, choose, data, make, markWrong, parsed, text } from "./dom.js";

const known = data("known");
const field = document.getElementById("rules");
const root = document.getElementById("builder");
const preview = document.getElementById("preview");
const FRESH = { page: { url: { exact: "" } }, feature: { selector: "" } };
let rules = read();

function read() {
  return parsed(field.value, Array.isArray);
}

function changed(redraw = false) {
  field.value = JSON.stringify(rules, null, 2);
  preview.dispatchEvent(new CustomEvent("rules-changed"));
  if (redraw) draw();
}

// {"is": ...} or {"contains": ...}, in a key of the rule that goes when the text is empty.
function textField(rule, name, label) {
  const op = Object.keys(rule[name] ?? {})[0] ?? "contains";
  return [make("span", {}, label),
    choose(`${label} compared`, [["is", "is"], ["contains", "contains"]], op, (value) => { if (rule[name]) { rule[name] = { [value]: Object.values(rule[name])[0] }; changed(); } else draftOps.set(rule, value); }),
    text(label, Object.values(rule[name] ?? {})[0], (value) => {
      if (!value) delete rule[name];
      else rule[name] = { [Object.keys(rule[name] ?? {})[0] ?? draftOps.get(rule) ?? op]: value };
      changed();
    }, { class: "grow", placeholder: "any" })];
}
const draftOps = new WeakMap();

function pageRule(rule, at) {
  const match = Object.keys(rule.url ?? {})[0] ?? "exact";
  const parameters = (rule.parameters ?? []).map((one, index) => make("div", { class: "where", "data-at": `${at}.parameters[${index}]` }, "parameter",
    text("name", one.name, (value) => { one.name = value; changed(); }, { size: 12 }), "=",
    text("value", one.value, (value) => { if (value) one.value = value; else delete one.value; changed(); }, { size: 14, placeholder: "any value" }),
    button("Remove", () => { rule.parameters.splice(index, 1); if (!rule.parameters.length) delete rule.parameters; changed(true); })));
  return [
    choose("address compared", known.matches, match, (value) => { rule.url = { [value]: Object.values(rule.url ?? {})[0] ?? "" }; changed(); }),
    text("address", Object.values(rule.url ?? {})[0], (value) => { rule.url = { [Object.keys(rule.url ?? {})[0] ?? match]: value }; changed(); }, { class: "grow main", placeholder: "https://shop.example/orders", spellcheck: "false" }),
    button("+ parameter", () => { (rule.parameters ??= []).push({ name: "" }); changed(true); }),
    ...parameters, make("div", { class: "where" }, ...textField(rule, "title", "title")),
  ];
}

function featureRule(rule) {
  const on = rule.on ?? ["click"];
  const actions = known.actions.map((one) => make("label", { class: "check" }, make("input", { type: "checkbox", checked: on.includes(one), onchange: (event) => {
    const next = known.actions.filter((each) => (each === one ? event.target.checked : (rule.on ?? ["click"]).includes(each)));
    if (next.length === 1 && next[0] === "click") delete rule.on;
    else rule.on = next;
    changed();
  } }), one));
  return [
    text("selector", rule.selector, (value) => { if (value || !rule.text) rule.selector = value; else delete rule.selector; changed(); }, { class: "grow main", placeholder: "button#export", spellcheck: "false" }),
    make("div", { class: "where" }, ...textField(rule, "text", "text")),
    make("div", { class: "where" }, "on the page", choose("page", [["", "any page"], ...known.pages], rule.page ?? "", (value) => { if (value) rule.page = value; else delete rule.page; changed(); }), ...actions),
  ];
}

function draw() {
  if (!rules) {
    root.replaceChildren(make("p", { class: "quiet" }, "These rules can only be shown as JSON below."));
    return;
  }
  const rows = rules.flatMap((rule, index) => [index ? make("span", { class: "joiner" }, "OR") : null,
    make("div", { class: "group", "data-at": `rules[${index}]` }, make("div", { class: "rule" }, ...(known.kind === "page" ? pageRule(rule, `rules[${index}]`) : featureRule(rule)),
      button("Remove", () => { rules.splice(index, 1); changed(true); }, { class: "small remove" })))]);
  root.replaceChildren(...rows.filter(Boolean), make("div", {}, button("+ or", () => { rules.push(structuredClone(FRESH[known.kind])); changed(true); })));
}

// An empty field is not a mistake yet.
const unfinished = () => !rules || !rules.length || rules.some((rule) => (known.kind === "page" ? !rule.title && !Object.values(rule.url ?? {})[0] : !rule.selector && !rule.text));

field.addEventListener("input", () => { rules = read(); draw(); preview.dispatchEvent(new CustomEvent("rules-changed")); });
preview.addEventListener("htmx:beforeRequest", (event) => {
  if (!unfinished()) return;
  event.preventDefault();
  markWrong(root, undefined);
  preview.replaceChildren(make("p", { class: "quiet" }, "Fill in a rule, or take one from below, to see what it is."));
});
document.addEventListener("htmx:afterSwap", () => markWrong(root, preview.querySelector("[data-path]")?.dataset.path));
document.addEventListener("click", (event) => {
  const use = event.target.closest("[data-rule]");
  if (!use) return;
  const rule = JSON.parse(use.dataset.rule);
  if (unfinished() && rules?.length) rules.splice(-1, 1, rule);
  else (rules ??= []).push(rule);
  changed(true);
  root.lastElementChild.previousElementSibling.querySelector("input").focus();
});
draw();
markWrong(root, document.querySelector("main > [data-path]")?.dataset.path);
