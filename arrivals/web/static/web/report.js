// The report's form: range and columns, kept in two JSON fields.
import { choose, data, make, markWrong, parsed, suggestions, text } from "./dom.js";
import { picker } from "./columns.js";

const known = data("known");
const rangeField = document.getElementById("range-json");
const columnsField = document.getElementById("columns-json");
const rangeRoot = document.getElementById("range");
const columnsRoot = document.getElementById("columns");
const kindField = document.getElementById("kind");
const surveyField = document.getElementById("survey");
const kind = () => known.kinds[kindField.value];
for (const one of ["tracks", "pages", "features", "surveys"]) suggestions(`known-${one}`, known[one]);

let range = parsed(rangeField.value);

// Forms of a range, as they are chosen: periods have no field of their own.
const FORMS = [["within", "the last, up to now"], ["last", "the last full days"], ...known.periods.map((one) => [one, one.replace("_", " ")]), ["since", "since"], ["between", "between"], ["ever", "ever"]];

function drawRange() {
  const form = range && typeof range === "object" ? Object.keys(range)[0] : "ever";
  const chosen = form === "period" ? range.period : form;
  const today = new Date().toISOString().slice(0, 10);
  const fresh = { within: "30d", last: "30d", since: today, between: [today, today], ever: true };
  const save = (value) => { range = value; rangeField.value = JSON.stringify(range); };
  const pick = (value) => { save(known.periods.includes(value) ? { period: value } : { [value]: fresh[value] }); drawRange(); };
  const parts = [choose("range", FORMS, chosen, pick)];
  if (form === "within") parts.push(text("30d, 12h or 30m", range.within, (value) => save({ within: value }), { size: 8 }));
  if (form === "last") parts.push(make("input", { type: "number", min: 1, max: 3660, "aria-label": "days", value: parseInt(range.last, 10), oninput: (event) => save({ last: `${event.target.value}d` }) }), "days, without today");
  if (form === "since") parts.push(text("date", range.since, (value) => save({ since: value }), { type: "date" }));
  if (form === "between") [0, 1].forEach((at) => parts.push(text(at ? "to" : "from", range.between[at], (value) => { range.between[at] = value; save({ between: [...range.between] }); }, { type: "date" })));
  rangeRoot.replaceChildren(make("div", { class: "rule", "data-at": "range" }, ...parts));
}

const columns = picker(columnsRoot, columnsField, known, kind);
rangeField.addEventListener("input", () => { range = parsed(rangeField.value); drawRange(); });
columnsField.addEventListener("input", () => columns.read());

// Columns of one kind mean nothing to another: a change of kind begins with its own.
kindField.addEventListener("change", () => { surveyField.hidden = kindField.value !== "response"; columns.reset(); });
surveyField.hidden = kindField.value !== "response";
drawRange();
columns.read();
const path = document.querySelector("main > [data-path]")?.dataset.path;
if (path?.startsWith("survey")) surveyField.classList.add("wrong");
else if (path) markWrong(path.startsWith("range") ? rangeRoot : columnsRoot, path);
