// The steps as a tree: one under the other, blocks indented, each with what can be done with it.
import { button, choose, make, text } from "../dom.js";
import { blocks, changed, copied, freeId, known, rebuilt, renameIn, set, state, undo, undoable, walk } from "./state.js";
import { branchForm, form, said, TYPES, types } from "./steps.js";
import { plain } from "./fields.js";
import { result, tryOne } from "./trying.js";

let adding = null; // the place whose list of types is open: "steps#1"
let wanted = null; // { id, label }: what has the focus after the next drawing

export function want(id, label) {
  wanted = { id, label };
}

function insert(list, index, step) {
  adding = null;
  want(step.id, `Name of ${step.id}`);
  state.open.add(step.id);
  rebuilt(() => list.splice(index, 0, step));
}

function adder(list, index, at, deep) {
  const place = `${at}#${index}`;
  const open = adding === place;
  const show = () => { adding = open ? null : place; changed(true); document.querySelector(open ? `[data-add="${CSS.escape(place)}"]` : ".types button")?.focus(); };
  const label = list.length === 0 ? "Add a step" : index === list.length ? "Add a step at the end" : `Add a step before ${list[index].name ?? list[index].id}`;
  const opener = button(list.length === 0 || index === list.length ? "+ step" : "+", show, { class: `small add${index < list.length ? " between" : ""}`, "data-add": place, "aria-label": label, "aria-expanded": String(open) });
  if (!open) return make("div", { class: "adder" }, opener);
  const fitting = types().filter(([id]) => deep < known.deepest || !["paths", "loop"].includes(id));
  const paste = state.cut ? button(`Put ${state.cut.name ?? state.cut.id} here`, () => { const step = state.cut; state.cut = null; insert(list, index, step); }, { class: "primary" }) : null;
  return make("div", { class: "adder open" }, opener, make("div", { class: "types", role: "group", "aria-label": "Types of steps", onkeydown: (event) => {
    if (event.key === "Escape") show();
  } }, paste, ...fitting.map(([id, type]) => make("button", { type: "button", onclick: () => insert(list, index, { id: freeId(type.id), type: id, ...type.fresh() }) }, make("b", {}, type.label), make("small", {}, type.help)))));
}

function move(parent, list, index, by) {
  const step = list[index];
  want(step.id, by < 0 ? "Move up" : "Move down");
  rebuilt(() => {
    list.splice(index, 1);
    if (index + by >= 0 && index + by <= list.length) list.splice(index + by, 0, step);
    else parent.list.splice(parent.index + (by < 0 ? 0 : 1), 0, step); // out of the block, to before or after the step that it belongs to
  });
}

function rename(step, to) {
  const id = to.trim().toLowerCase().replace(/[^a-z0-9_]+/g, "_").slice(0, 60);
  if (!id || id === step.id) return changed(true);
  const free = freeId(id);
  rebuilt(() => {
    const before = step.id;
    step.id = free;
    renameIn(state.definition.steps, before, free);
    if (state.open.delete(before)) state.open.add(free);
    // What came of trying it is still what it gives.
    if (state.tests.has(before)) state.tests.set(free, state.tests.get(before));
  });
}

function badge(step) {
  const mine = state.problems.filter((one) => one.step === step.id);
  if (mine.length) return make("span", { class: `state ${state.refused ? "failed" : "paused"}`, title: mine[0].message }, "not finished");
  const test = state.tests.get(step.id);
  if (state.untested.has(step.id) && test?.status !== "failed") return make("span", { class: "state" }, "not tested");
  return test ? make("span", { class: `state ${test.status === "failed" ? "failed" : "succeeded"}` }, { failed: "test failed", filtered: "tested", skipped: "tested", succeeded: "tested" }[test.status] ?? test.status) : null;
}

// The marks of every step anew, without drawing the form again under somebody's hands.
export function marks(root) {
  const byId = new Map([...walk()].map(({ step }) => [step.id, step]));
  for (const home of root.querySelectorAll("[data-badge]")) if (byId.has(home.dataset.badge)) home.replaceChildren(badge(byId.get(home.dataset.badge)) ?? "");
  for (const home of root.querySelectorAll("[data-problems]")) home.replaceChildren(problemsOf(home.dataset.problems) ?? "");
}

function problemsOf(id) {
  const mine = state.problems.filter((one) => one.step === id);
  return mine.length ? make("ul", { class: `problems${state.refused ? " bad" : ""}` }, ...mine.map((one) => make("li", {}, one.message, " ", make("code", {}, one.path)))) : null;
}

export function problems(id) {
  return make("div", { "data-problems": id }, problemsOf(id));
}

function onError(step) {
  const branch = step.on_error;
  if (!branch) return make("div", {}, button("+ error branch", () => rebuilt(() => { step.on_error = { steps: [], then: "stop", tries: true }; }), { "aria-label": `Add an error branch to ${step.id}` }));
  return make("div", { class: "inline branch-head" }, make("b", {}, "If it fails"),
    choose(`Tries of ${step.id}`, [["true", "after the automatic tries"], ["false", "at once"]], String(branch.tries ?? true), (value) => set(branch, "tries", value === "true")),
    "do these, then", choose(`After the error branch of ${step.id}`, [["stop", "end the run"], ["go_on", "go on after the step"]], branch.then ?? "stop", (value) => set(branch, "then", value)),
    button("Remove", () => rebuilt(() => { delete step.on_error; }), { class: "small remove", "aria-label": `Remove the error branch of ${step.id}` }));
}

function inside(step, at, list, index, deep) {
  const drawn = blocks(step).map((block) => {
    const number = /^\.branches\[(\d+)\]/.exec(block.at)?.[1];
    const head = block.kind === "error" ? onError(step) : number !== undefined ? branchForm(step, Number(number), at) : make("b", {}, "For each item");
    return make("div", { class: `branch ${block.kind}`, "data-at": (at + block.at).replace(/\.steps$/, "") }, head, block_(block.steps, at + block.at, deep + 1, { list, index }));
  });
  return drawn;
}

function card(list, index, at, deep, parent) {
  const step = list[index];
  const open = state.open.has(step.id);
  const name = step.name ?? step.id;
  const type = TYPES[step.type];
  const head = make("div", { class: "step-head", onkeydown: (event) => {
    if (!event.altKey || !["ArrowUp", "ArrowDown"].includes(event.key)) return;
    const by = event.key === "ArrowUp" ? -1 : 1;
    if (parent || (index + by >= 0 && index + by < list.length)) move(parent, list, index, by);
    event.preventDefault();
  } },
    make("button", { type: "button", class: "toggle", "aria-expanded": String(open), "aria-label": `${open ? "Close" : "Open"} ${name}`, onclick: () => { if (open) state.open.delete(step.id); else state.open.add(step.id); want(step.id, `${open ? "Open" : "Close"} ${name}`); changed(true); } },
      make("span", { class: "chevron", "aria-hidden": "true" }, open ? "▾" : "▸"), make("span", { class: "kind" }, type?.label ?? step.type ?? "?"), make("b", {}, name), open ? null : make("span", { class: "quiet said-short" }, said(step))),
    make("span", { "data-badge": step.id }, badge(step)),
    make("span", { class: "step-tools" },
      index > 0 || parent ? button("↑", () => move(parent, list, index, -1), { "aria-label": "Move up", title: "Move up (Alt+↑)" }) : null,
      index < list.length - 1 || parent ? button("↓", () => move(parent, list, index, 1), { "aria-label": "Move down", title: "Move down (Alt+↓)" }) : null,
      button("Duplicate", () => { const copy = copied(step); want(copy.id, `Name of ${copy.id}`); rebuilt(() => list.splice(index + 1, 0, copy)); }, { "aria-label": `Duplicate ${name}` }),
      button("Cut", () => rebuilt(() => { state.cut = step; list.splice(index, 1); }), { "aria-label": `Cut ${name}`, title: "Take it out, to put it in at another +" }),
      button("Remove", () => rebuilt(() => { list.splice(index, 1); }), { class: "small remove", "aria-label": `Remove ${name}` })));
  const body = open ? make("div", { class: "step-body" },
    make("div", { class: "inline tops" },
      plain(`Name of ${step.id}`, step.name, (value) => set(step, "name", value.trim() ? value : undefined), { place: `${at}.name`, maxlength: 100, placeholder: said(step).slice(0, 40) }),
      make("div", { class: "field", "data-at": `${at}.id` }, make("label", {}, "Id", text(`Id of ${step.id}`, step.id, () => {}, { size: 14, maxlength: 60, spellcheck: "false", onchange: (event) => rename(step, event.target.value) })))),
    ...form(step, at), problems(step.id), result(step),
    make("div", { class: "inline" }, button("Test this step", () => tryOne(step.id), { "aria-label": `Test ${name}` }), type?.handles && !step.on_error && deep < known.deepest ? onError(step) : null)) : problems(step.id);
  return make("div", { class: "group step", "data-at": at, "data-step": step.id, role: "group", "aria-label": `Step ${name}` }, head, body, ...inside(step, at, list, index, deep));
}

// A list of steps with a place to add one before each and at the end. parent: where the step is that the block belongs to.
function block_(list, at, deep, parent = null) {
  return make("div", { class: "block" }, ...list.flatMap((_, index) => [adder(list, index, at, deep), card(list, index, `${at}[${index}]`, deep, parent)]), adder(list, list.length, at, deep));
}

export function tree() {
  const top = make("div", { class: "tree", "data-at": "steps" }, block_(state.definition.steps, "steps", 0));
  return [make("div", { class: "inline" }, make("h2", {}, "Then"), undoable() ? button("Undo", () => undo(), { "aria-label": "Undo the last change of the steps" }) : null,
    state.definition.steps.length > 1 ? button(state.open.size ? "Close all" : "Open all", () => { const every = state.open.size ? [] : [...document.querySelectorAll("[data-step]")].map((one) => one.dataset.step); state.open = new Set(every); changed(true); }) : null,
    state.cut ? make("span", { class: "quiet" }, `${state.cut.name ?? state.cut.id} is cut out: press + where it shall go.`) : null), top];
}

export function refocus(root) {
  if (!wanted) return;
  const home = root.querySelector(`[data-step="${CSS.escape(wanted.id)}"]`);
  const control = [...(home?.querySelectorAll("[aria-label]") ?? [])].find((one) => one.getAttribute("aria-label") === wanted.label);
  (control ?? home?.querySelector("input, button"))?.focus();
  wanted = null;
}
