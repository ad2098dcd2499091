// The column picker: what there is on the left, by group and search; what is chosen on the right, in its order.
import { button, choose, make, parsed, text } from "./dom.js";

const SHOWN = 40; // of one group; the search narrows it

// The groups of a kind of report: name -> [label, column as data].
function groups(known, kind) {
  const plain = (name) => [name.replace(/^(visitor|account|metric|response)\./, ""), name];
  const named = (owner, rest) => kind.columns.filter((one) => one.startsWith(owner) && rest(one.slice(owner.length)));
  const ids = kind.columns.filter((one) => /^(visitor|account|response)\.[a-z]+$/.test(one));
  const found = [["Ids and parts", ids.map((one) => [one, one])]];
  if (kind.columns.some((one) => one.startsWith("metric."))) found.push(["Metrics", named("metric.", () => true).map(plain)]);
  for (const owner of ["visitor", "account"]) {
    const fields = named(`${owner}.`, (rest) => rest.includes("."));
    if (fields.length) found.push([`Metadata of the ${owner}`, fields.map(plain)]);
  }
  if (kind.computed.includes("count")) {
    const of = (what, names) => names.map((name) => [`${what} ${name}`, { count: what, name }]);
    found.push(["Counts", [["any event", { count: "event" }], ...of("track", known.tracks), ...of("page", known.pages), ...of("feature", known.features)]]);
  }
  if (kind.computed.includes("sum")) found.push(["Sums", known.tracks.map((name) => [`a property of ${name}`, { sum: "track", name, property: "" }])]);
  if (kind.computed.includes("survey")) found.push(["Survey answers", known.surveys.flatMap((survey) => known.parts.map((part) => [`${survey} ${part}`, { survey, part }]))]);
  return found;
}

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
const bare = (column) => { if (typeof column !== "object") return column; const { as, ...rest } = column; return rest.column ?? rest; };

function described(column) {
  if (typeof column === "string") return column;
  if ("column" in column) return column.column;
  if ("survey" in column) return `answer to ${column.survey}: ${column.part}`;
  const what = "count" in column ? "count" : "sum";
  return `${what} of ${column[what]} ${column.name ?? column[column[what]] ?? ""}`.trim();
}

export function picker(root, field, known, kind) {
  let columns = [];
  let search = "";
  let dragged = null;
  const available = make("div", { class: "available" });
  const chosen = make("ol", { class: "chosen", "aria-label": "Chosen columns" });
  const total = make("p", { class: "quiet", "aria-live": "polite" });
  const find = make("input", { type: "search", "aria-label": "Search columns", placeholder: "Search columns", oninput: () => { search = find.value.trim().toLowerCase(); drawAvailable(); },
    onkeydown: (event) => { if (event.key === "Enter") { event.preventDefault(); available.querySelector("button.pick")?.click(); } } });

  const index = (column) => columns.findIndex((one) => same(bare(one), bare(column)));
  function save() {
    field.value = JSON.stringify(columns, (key, value) => (key === "as" && value === "" ? undefined : value));
    total.textContent = `${columns.length} of ${known.most}`;
  }
  function changed(focus) {
    save(); drawAvailable(); drawChosen();
    if (focus) chosen.querySelectorAll("li")[focus.at]?.querySelector(focus.on)?.focus();
  }
  function move(from, to, on) {
    if (to < 0 || to >= columns.length) return;
    const [one] = columns.splice(from, 1);
    columns.splice(to, 0, one);
    changed({ at: to, on });
  }

  function drawAvailable() {
    available.replaceChildren(...groups(known, kind()).map(([name, them]) => {
      const fit = them.filter(([label, column]) => !search || `${label} ${described(column)}`.toLowerCase().includes(search));
      if (!fit.length) return null;
      const items = fit.slice(0, SHOWN).map(([label, column]) => {
        const at = index(column);
        const toggle = () => { const place = index(column); if (place < 0) columns.push(structuredClone(column)); else columns.splice(place, 1); changed(); [...available.querySelectorAll("button.pick")].find((one) => one.textContent === label && one.dataset.group === name)?.focus(); };
        return button(label, toggle, { class: "small pick", "aria-pressed": String(at >= 0), "data-group": name, disabled: at < 0 && columns.length >= known.most });
      });
      return make("details", { open: Boolean(search) || ["Ids and parts", "Metrics"].includes(name) }, make("summary", {}, `${name} (${fit.length})`), make("div", { class: "tokens" }, ...items), fit.length > SHOWN ? make("p", { class: "quiet" }, `and ${fit.length - SHOWN} more: search for them`) : null);
    }).filter(Boolean));
    if (!available.childElementCount) available.append(make("p", { class: "quiet" }, "No column is called so."));
  }

  function parts(column, at) {
    const set = (name) => (value) => { column[name] = value; save(); };
    if (column === "" || (typeof column === "string" && !kind().columns.includes(column))) return [text("visitor.<group>.<field>", column, (value) => { columns[at] = value; save(); }, { class: "grow" })];
    if (typeof column === "string" || "column" in column) return [make("span", { class: "grow" }, described(column)), text("name in rows", column.as ?? "", (value) => { columns[at] = value ? { column: bare(columns[at]), as: value } : bare(columns[at]); save(); }, { size: 12 })];
    if ("survey" in column) return ["answer to", text("survey", column.survey, set("survey"), { list: "known-surveys", size: 10 }), choose("part", known.parts, column.part, set("part")), text("name in rows", column.as, set("as"), { size: 12 })];
    const what = "count" in column ? "count" : "sum";
    if (column.page ?? column.feature) return [make("span", { class: "grow" }, described(column)), text("name in rows", column.as, set("as"), { size: 12 })];
    return [`${what} of`, choose("kind", ["track", "page", "feature", "event"], column[what], (value) => { column[what] = value; changed(); }), text("name", column.name, set("name"), { list: `known-${column[what]}s`, size: 12 }),
      what === "sum" ? text("property", column.property, set("property"), { size: 10 }) : null, text("name in rows", column.as, set("as"), { size: 12 })];
  }

  function row(column, at) {
    const keys = (event) => { if (event.altKey && ["ArrowUp", "ArrowDown"].includes(event.key)) { event.preventDefault(); move(at, at + (event.key === "ArrowUp" ? -1 : 1), ".up"); } };
    const name = described(column);
    const grip = make("span", { class: "grip", draggable: "true", "aria-hidden": "true", title: "Drag to move", ondragstart: (event) => { dragged = at; event.dataTransfer.effectAllowed = "move"; event.dataTransfer.setData("text/plain", name); } }, "⋮⋮");
    return make("li", { class: "rule", "data-at": `columns[${at}]`, onkeydown: keys, ondragover: (event) => { if (dragged !== null) event.preventDefault(); }, ondrop: (event) => { event.preventDefault(); if (dragged !== null) move(dragged, at); dragged = null; } },
      grip, ...parts(column, at),
      button("↑", () => move(at, at - 1, ".up"), { class: "small up", "aria-label": `Move ${name} up`, disabled: at === 0 }), button("↓", () => move(at, at + 1, ".down"), { class: "small down", "aria-label": `Move ${name} down`, disabled: at === columns.length - 1 }),
      button("×", () => { columns.splice(at, 1); changed({ at: Math.min(at, columns.length - 1), on: ".remove" }); }, { class: "small remove", "aria-label": `Remove ${name}` }));
  }

  function drawChosen() {
    chosen.replaceChildren(...columns.map(row));
  }

  // For what the lists do not know: a field that nobody sent yet, an event that did not happen yet.
  const blank = { plain: "", count: { count: "track", name: "", as: "" }, sum: { sum: "track", name: "", property: "", as: "" }, survey: { survey: "nps", part: "score", as: "nps_score" } };
  const words = { plain: "+ field", count: "+ count", sum: "+ sum", survey: "+ survey answer" };
  function more() {
    const add = (one) => button(words[one], () => { columns.push(structuredClone(blank[one])); changed({ at: columns.length - 1, on: "input, select" }); });
    return make("div", { class: "inline" }, ["plain", ...kind().computed].map(add));
  }

  function read() {
    columns = parsed(field.value);
    if (!Array.isArray(columns)) { columns = []; return root.replaceChildren(make("p", { class: "quiet" }, "These columns can only be shown as JSON below.")); }
    root.replaceChildren(make("div", { class: "picker" }, make("div", {}, find, available), make("div", {}, total, chosen, more())));
    save(); drawAvailable(); drawChosen();
  }

  return { read, reset() { columns = [...kind().defaults]; save(); read(); } };
}
