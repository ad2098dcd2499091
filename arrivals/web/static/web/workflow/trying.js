// Trying steps out: for whom, the buttons, and what came of it beside each step.
import { button, make, parsed } from "../dom.js";
import { ask, changed, known, state } from "./state.js";
import { pin } from "./fields.js";
import { freshen } from "./values.js";
import { kind } from "./trigger.js";

let whom = known.pinned; // the id that was written into the field
let dry = false;
let sample = known.given ? JSON.stringify(known.given, null, 2) : ""; // what is put over what templates see, as it was written
let busy = false;
let said = ""; // what the last test says as a whole

const given = () => parsed(sample, (value) => value !== null && typeof value === "object" && !Array.isArray(value)) ?? undefined;
pin.whom = () => [whom || null, given()];

// A new workflow is kept as a draft first, so that there is something that the tests belong to.
async function kept() {
  if (state.workflow) return;
  const made = await ask("/workflows/new/draft", { definition: state.definition });
  state.workflow = made.id;
  history.replaceState(null, "", `/workflows/${made.id}/edit`);
}

function taken(answer) {
  for (const one of answer.steps) if (one.status !== "unfinished") state.tests.set(one.step, one);
  state.problems = answer.problems;
  state.untested = new Set(answer.untested);
}

async function attempt(step) {
  if (busy) return;
  busy = true;
  said = "Testing …";
  changed(true);
  try {
    await kept();
    const answer = await ask(`/workflows/${state.workflow}/try`, { definition: state.definition, step, visitor: whom || null, dry, given: given() });
    taken(answer);
    const failed = answer.steps.filter((one) => one.status === "failed" || one.status === "unfinished");
    const names = failed.map((one) => one.step).join(", ");
    said = failed.length ? `Not all went well: ${names}.` : `${answer.steps.length === 1 ? "It was" : `${answer.steps.length} steps were`} ${dry ? "shown" : "tested"}${answer.visitor ? ` for ${answer.visitor}` : ""}.`;
    for (const one of failed) state.open.add(one.step);
    if (step) state.open.add(step);
  } catch (error) {
    said = error.message;
  }
  busy = false;
  changed(true);
}

export const tryOne = (id) => attempt(id);

// The form was changed: ask what is unfinished and untested now. A new form is not judged before it is kept or tried.
let waiting = null;
export function check(soon = 700) {
  clearTimeout(waiting);
  waiting = setTimeout(async () => {
    const asked = JSON.stringify(state.definition);
    try {
      const answer = await ask(`/workflows/${state.workflow ?? "new"}/check`, { definition: state.definition });
      if (asked !== JSON.stringify(state.definition)) return;
      const before = JSON.stringify([state.problems, [...state.untested]]);
      state.problems = answer.problems;
      state.untested = new Set(answer.untested);
      if (before !== JSON.stringify([state.problems, [...state.untested]])) document.dispatchEvent(new CustomEvent("workflow-checked"));
    } catch { /* a check that fails says nothing; saving says what is wrong */ }
  }, soon);
}

function shown(value) {
  return make("pre", {}, make("code", {}, typeof value === "string" ? value : JSON.stringify(value, null, 2)));
}

// What came of trying a step, beside its form.
export function result(step) {
  const test = state.tests.get(step.id);
  if (!test) return null;
  const filled = (value) => value !== null && value !== undefined && Object.keys(value).length > 0;
  const words = { succeeded: "Went well", filtered: "Did not let it through", skipped: "Skipped", dry: "Only shown", failed: "Failed" }[test.status] ?? test.status;
  return make("div", { class: `tried ${test.status}`, role: "status", "aria-label": `Test of ${step.id}` },
    make("p", {}, make("b", {}, words), test.visitor ? ` for ${test.visitor}` : "", test.ms ? ` in ${test.ms} ms` : "", state.untested.has(step.id) && test.status !== "dry" && test.status !== "failed" ? " – the step was changed since" : ""),
    test.note ? make("p", { class: "quiet" }, test.note) : null,
    test.error ? make("p", { class: "bad" }, test.error.message, test.error.path ? [" ", make("code", {}, test.error.path)] : "") : null,
    filled(test.inputs) ? make("details", { open: test.status === "dry" }, make("summary", {}, "What it was given"), shown(test.inputs)) : null,
    filled(test.outputs) ? make("details", { open: true }, make("summary", {}, "What it gave"), shown(test.outputs)) : null);
}

// The card above the steps: for whom is tried, and the button for all.
export function card() {
  const now = kind();
  const who = { account: "Account", response: "Visitor who answered" }[now.kind] ?? "Visitor";
  const field = make("input", { value: whom, "aria-label": `${who} to test with`, placeholder: now.kind ? "one who is on the report" : "its id", list: "tried-visitors", oninput: () => { whom = field.value.trim(); } });
  const pinned = known.pinned && whom === known.pinned;
  const box = make("input", { type: "checkbox", checked: dry, onchange: () => { dry = box.checked; changed(true); } });
  const area = make("textarea", { rows: 4, class: "code", spellcheck: "false", "aria-label": "Sample", placeholder: '{"event": {"name": "purchase", "properties": {"revenue": 9}}}', oninput: () => { sample = area.value; } });
  area.value = sample;
  return make("section", { class: "group try-card", "aria-label": "Testing" },
    make("div", { class: "inline" }, make("label", {}, who, field),
      button(pinned ? "Pinned" : "Pin", async () => {
        try {
          await kept();
          known.pinned = (await ask(`/workflows/${state.workflow}/pin`, { visitor: pinned ? "" : whom })).pinned;
          said = known.pinned ? `Tests are for ${known.pinned} from now on.` : "Tests are for whoever is on the report.";
        } catch (error) {
          said = error.message;
        }
        changed(true);
      }, { "aria-pressed": String(Boolean(pinned)), title: "Tests of this workflow are for this one from now on" }),
      make("label", { class: "check" }, box, "Only show, send nothing"),
      button(busy ? "Testing …" : "Test all", () => attempt(null), { class: "", disabled: busy })),
    make("p", { class: "quiet" }, dry ? "Actions and requests are not done; what they would be given is shown." : "Actions are really done. Nothing waits, no run is made, and nothing counts as a task."),
    make("details", { open: Boolean(sample) }, make("summary", {}, "Sample"), make("small", {}, "An object with what templates see, over what is known of the visitor."), area,
      make("div", {}, button("Show what templates see", async () => {
        const problem = await freshen(...pin.whom(), true);
        said = problem ?? "";
        changed(true);
      })), state.sample ? shown(state.sample) : null),
    make("p", { class: "said-of-tests", role: "status" }, said));
}
