// The report's form: range and columns, kept in two JSON fields.
import { button, choose, data, make, markWrong, suggestions, text } from "./dom.js";

const known = data("known");
const rangeField = document.getElementById("range-json");
const columnsField = document.getElementById("columns-json");
const rangeRoot = document.getElementById("range");
const columnsRoot = document.getElementById("columns");
const kindField = document.getElementById("kind");
const surveyField = document.getElementById("survey");
const kind = () => known.kinds[kindField.value];
for (const kind of ["tracks", "pages", "features", "surveys"]) suggestions(`known-${kind}`, known[kind]);
const FRESH = {
  count: () => ({ count: "track", name: "", as: "" }), sum: () => ({ sum: "track", name: "", property: "", as: "" }),
  survey: () => ({ survey: "nps", part: "score", as: "nps_score" }), plain: () => "",
};

const read = (field) => { try { return JSON.parse(field.value); } catch { return null; } };
let range = read(rangeField);
let columns = read(columnsField);

function drawRange() {
  const kind = range && typeof range === "object" ? Object.keys(range)[0] : "ever";
  const today = new Date().toISOString().slice(0, 10);
  const defaults = { within: "30d", since: today, between: [today, today], ever: true };
  const save = (value) => { range = value; rangeField.value = JSON.stringify(range); };
  const parts = [choose("range", [["within", "the last"], ["since", "since"], ["between", "between"], ["ever", "ever"]], kind, (value) => { save({ [value]: defaults[value] }); drawRange(); })];
  if (kind === "within") parts.push(text("30d", range.within, (value) => save({ within: value }), { size: 6 }));
  if (kind === "since") parts.push(text("date", range.since, (value) => save({ since: value }), { type: "date" }));
  if (kind === "between") [0, 1].forEach((at) => parts.push(text(at ? "to" : "from", range.between[at], (value) => { range.between[at] = value; save({ between: [...range.between] }); }, { type: "date" })));
  rangeRoot.replaceChildren(make("div", { class: "rule", "data-at": "range" }, ...parts));
}

function save(redraw = false) {
  columnsField.value = JSON.stringify(columns, (key, value) => (key === "as" && value === "" ? undefined : value));
  if (redraw) drawColumns();
}

function row(column, index) {
  const set = (name) => (value) => { column[name] = value; save(); };
  let parts;
  if (typeof column === "string") parts = [text("visitor.id", column, (value) => { columns[index] = value; save(); }, { list: "known-columns", class: "grow" })];
  else if ("survey" in column) parts = ["answer to", text("survey", column.survey, set("survey"), { list: "known-surveys", size: 10 }), choose("part", known.parts, column.part, set("part"))];
  else {
    const what = "count" in column ? "count" : "sum";
    const naming = column[what] in column ? column[what] : "name";
    parts = [what === "count" ? "count of" : "sum of", choose("kind", ["track", "page", "feature", "event"], column[what], (value) => { delete column[column[what]]; column[what] = value; save(true); }),
      text("name", column[naming], set(naming), { list: { page: "known-pages", feature: "known-features" }[column[what]] ?? "known-tracks", size: 14 })];
    if (what === "sum") parts.push(text("property", column.property, set("property"), { size: 12 }));
  }
  if (typeof column !== "string") parts.push("as", text("name in rows", column.as, set("as"), { size: 12 }));
  const move = (by) => () => { const [one] = columns.splice(index, 1); columns.splice(index + by, 0, one); save(true); };
  return make("div", { class: "rule", "data-at": `columns[${index}]` }, ...parts,
    index ? button("↑", move(-1), { "aria-label": "Move up" }) : null, button("Remove", () => { columns.splice(index, 1); save(true); }, { class: "small remove" }));
}

function drawColumns() {
  if (!Array.isArray(columns)) return columnsRoot.replaceChildren(make("p", { class: "quiet" }, "These columns can only be shown as JSON below."));
  const add = (kind, label) => button(label, () => { columns.push(FRESH[kind]()); save(true); });
  const more = { count: "+ count", sum: "+ sum", survey: "+ survey answer" };
  columnsRoot.replaceChildren(...columns.map(row), make("div", { class: "inline" }, add("plain", "+ field or metric"), ...kind().computed.map((one) => add(one, more[one]))));
}

rangeField.addEventListener("input", () => { range = read(rangeField); drawRange(); });
columnsField.addEventListener("input", () => { columns = read(columnsField); drawColumns(); });
// Columns of one kind mean nothing to another: a change of kind begins with its own.
function changeKind() {
  columns = [...kind().defaults];
  drawKind();
  save(true);
}

function drawKind() {
  surveyField.hidden = kindField.value !== "response";
  suggestions("known-columns", kind().columns);
}

kindField.addEventListener("change", changeKind);
drawKind();
drawRange();
drawColumns();
const path = document.querySelector("main > [data-path]")?.dataset.path;
if (path?.startsWith("survey")) surveyField.classList.add("wrong");
else if (path) markWrong(path.startsWith("range") ? rangeRoot : columnsRoot, path);
