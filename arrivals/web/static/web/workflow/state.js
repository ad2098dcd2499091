// What is being edited: the definition in the JSON field, what is known beside it, and how steps are found in the tree.
import { data, parsed } from "../dom.js";

export const known = data("known");
export const field = document.getElementById("definition");

const MOST_UNDONE = 50;
const listeners = { draw: [], change: [] };
const undone = [];

export const state = {
  definition: null,
  workflow: known.workflow,
  open: new Set(), // ids of steps that are shown in full
  problems: known.problems, // [{ path, step, message }]
  refused: false, // whether a save was refused: then problems are mistakes, not things to do
  tests: new Map(known.tests.map((one) => [one.step, one])), // what came of trying a step, by its id
  untested: new Set(known.untested),
  sample: null, // what templates see, as the last sample had it
  cut: null, // a step on its way to another place
};

export function on(what, call) {
  listeners[what].push(call);
}

export function read() {
  state.definition = parsed(field.value, (value) => Array.isArray(value?.steps));
  return state.definition;
}

// To be called after every change of the definition; with redraw, when other parts of the form follow from it.
export function changed(redraw = false) {
  field.value = JSON.stringify(state.definition, null, 2);
  for (const call of listeners.change) call();
  if (redraw) for (const call of listeners.draw) call();
}

// A change of the tree itself, which can be undone.
export function rebuilt(change) {
  undone.push(field.value);
  if (undone.length > MOST_UNDONE) undone.shift();
  change();
  changed(true);
}

export function undo() {
  if (!undone.length) return;
  field.value = undone.pop();
  read();
  changed(true);
}

export function undoable() {
  return undone.length > 0;
}

export function set(thing, name, value, redraw = false) {
  if (value === undefined || value === "") delete thing[name];
  else thing[name] = value;
  changed(redraw);
}

// The lists of steps inside a step, with what leads to them from the step's own path.
export function blocks(step) {
  const found = [];
  if (Array.isArray(step.steps)) found.push({ at: ".steps", steps: step.steps, kind: step.type });
  (Array.isArray(step.branches) ? step.branches : []).forEach((branch, index) => found.push({ at: `.branches[${index}].steps`, steps: (branch.steps ??= []), kind: "branch" }));
  if (step.on_error) found.push({ at: ".on_error.steps", steps: (step.on_error.steps ??= []), kind: "error" });
  return found;
}

export function* walk(steps = state.definition.steps, at = "steps") {
  for (const [index, step] of steps.entries()) {
    yield { step, at: `${at}[${index}]` };
    for (const block of blocks(step)) yield* walk(block.steps, `${at}[${index}]${block.at}`);
  }
}

// An id that no step has: the base itself, or the base and a number.
export function freeId(base, more = new Set()) {
  const taken = new Set([...more, ...[...walk()].map(({ step }) => step.id)]);
  if (!taken.has(base)) return base;
  let number = 2;
  while (taken.has(`${base}_${number}`)) number += 1;
  return `${base}_${number}`;
}

// A copy of a step with ids of its own; what its steps name of one another follows.
export function copied(step) {
  const copy = structuredClone(step);
  const given = new Set();
  for (const { step: one } of [...walk([copy], "")]) {
    const id = freeId(one.id.replace(/_\d+$/, ""), given);
    given.add(id);
    renameIn([copy], one.id, id);
    one.id = id;
    state.open.add(id);
  }
  return copy;
}

// Templates that name a step by its old id name it by the new one.
export function renameIn(value, before, after) {
  const named = new RegExp(`\\bsteps(\\.${before}\\b|\\[(["'])${before}\\2\\])`, "g");
  const turn = (text) => text.replace(/\{\{.*?\}\}|\{%.*?%\}/gs, (piece) => piece.replace(named, (_, form) => (form.startsWith(".") ? `steps.${after}` : `steps["${after}"]`)));
  for (const [key, one] of Object.entries(value)) {
    if (typeof one === "string") value[key] = turn(one);
    else if (one && typeof one === "object") renameIn(one, before, after);
  }
}

// What a step sees: the steps before it, whether it is in a loop and in an error branch. The server's scopes.py says the same.
export function scope(place) {
  let found = null;
  const look = (steps, at, seen, loop, error) => {
    for (const [index, step] of steps.entries()) {
      const here = `${at}[${index}]`;
      if (here === place) found = { steps: [...seen], loop, error };
      const after = [...seen, step];
      let inner = after;
      for (const block of blocks(step)) {
        const looping = block.kind === "loop";
        const handling = block.kind === "error";
        const apart = handling || (step.type === "paths" && (step.mode ?? "first") === "first");
        const then = look(block.steps, here + block.at, apart ? after : inner, loop || looping, error || handling);
        if (!looping) inner = [...new Set([...inner, ...then])];
      }
      seen = inner;
    }
    return seen;
  };
  look(state.definition.steps, "steps", [], false, false);
  return found ?? { steps: [], loop: false, error: false };
}

export async function ask(path, body) {
  const token = document.querySelector("[name=csrfmiddlewaretoken]").value;
  const answer = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json", "X-CSRFToken": token }, body: JSON.stringify(body) });
  const said = await answer.json().catch(() => ({ message: "The server did not answer; try again." }));
  if (!answer.ok) throw Object.assign(new Error(said.message), { path: said.path ?? "" });
  return said;
}
