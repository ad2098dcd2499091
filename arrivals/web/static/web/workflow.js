// The workflow's form: draws the definition of the JSON field, and writes every change back to it.
import { make, text } from "./dom.js";
import { changed, field, known, on, read, state, walk } from "./workflow/state.js";
import { marks, problems, refocus, tree } from "./workflow/tree.js";
import { triggerCard } from "./workflow/trigger.js";
import { card, check } from "./workflow/trying.js";

const root = document.getElementById("builder");
const OPEN = 3; // so many steps are shown in full at first

// A redrawn form keeps the place of whoever uses the keyboard.
function place() {
  const control = document.activeElement;
  if (!root.contains(control)) return null;
  const at = control.closest("[data-at]")?.dataset.at ?? "";
  return { at, label: control.getAttribute("aria-label") };
}

function restore(held) {
  if (!held?.label) return;
  const home = held.at ? root.querySelector(`[data-at="${CSS.escape(held.at)}"]`) : root;
  [...(home?.querySelectorAll("[aria-label]") ?? [])].find((one) => one.getAttribute("aria-label") === held.label)?.focus();
}

function mark() {
  for (const element of root.querySelectorAll(".wrong[data-at]")) element.classList.remove("wrong");
  if (!state.refused) return;
  for (const one of state.problems) {
    const fitting = [...root.querySelectorAll("[data-at]")].filter((element) => one.path === element.dataset.at || one.path.startsWith(`${element.dataset.at}.`) || one.path.startsWith(`${element.dataset.at}[`));
    fitting.sort((a, b) => b.dataset.at.length - a.dataset.at.length)[0]?.classList.add("wrong");
  }
}

function draw() {
  if (!state.definition) {
    root.replaceChildren(make("p", { class: "quiet" }, "This definition can only be shown as JSON below."));
    return;
  }
  const held = place();
  const scrolled = window.scrollY;
  const definition = state.definition;
  root.replaceChildren(
    make("label", { "data-at": "name" }, "Name", text("Name", definition.name, (value) => { definition.name = value; changed(); }, { maxlength: 200, placeholder: "NPS responses to a channel" })),
    triggerCard(), problems(""), card(), ...tree());
  mark();
  restore(held);
  refocus(root);
  if (document.activeElement === document.body) window.scrollTo({ top: scrolled });
}

if (field) {
  read();
  if (state.definition) {
    const every = [...walk()].map(({ step }) => step.id);
    const wrong = state.problems.map((one) => one.step);
    for (const id of every) if (every.length <= OPEN || (known.refused && wrong.includes(id))) state.open.add(id);
    state.refused = known.refused;
  }
  on("draw", draw);
  on("change", () => check());
  document.addEventListener("workflow-checked", () => { marks(root); mark(); });
  field.addEventListener("input", () => { read(); draw(); check(); });
  // Enter ends a field; saving is a button, since half a workflow is easily sent off by a slip.
  root.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !event.target.matches("input:not([type=checkbox])")) return;
    event.preventDefault();
    event.target.dispatchEvent(new Event("change"));
  });
  draw();
  if (known.refused) root.querySelector(".wrong")?.scrollIntoView({ block: "center" });
}
