// The workflow's form: draws the definition of the JSON field, and writes every change back to it.
import { button, choose, data, make, markWrong, suggestions, text, valueField } from "./dom.js";

const known = data("known");
const field = document.getElementById("definition");
const root = document.getElementById("builder");
if (field) start();

function start() {
  let definition = read();
  let last = null; // the field that a variable is put into

  function read() {
    try {
      const value = JSON.parse(field.value);
      return Array.isArray(value?.steps) ? value : null;
    } catch {
      return null;
    }
  }

  function changed(redraw = false) {
    field.value = JSON.stringify(definition, null, 2);
    if (redraw) draw();
  }

  function variables(index) {
    const report = known.reports.find((one) => one.id === definition.trigger?.report);
    const row = (report?.labels ?? []).map((label) => (/^[A-Za-z_]\w*$/.test(label) ? `row.${label}` : /^(visitor|account|response)\./.test(label) ? label : `row["${label}"]`));
    const about = { visitor: ["visitor.id", "account.id"], account: ["account.id"], response: ["visitor.id", "account.id", "response.score", "response.class", "response.reason"] }[trigger().kind];
    const earlier = definition.steps.slice(0, index).filter((step) => step.type === "action").map((step) => `steps.${step.id}`);
    return [...new Set([...about, ...row, "arrival.at", "arrival.entry", ...earlier])];
  }

  function trigger() {
    return known.triggers.find((one) => one.id === definition.trigger?.kind) ?? known.triggers[0];
  }

  function turn(id) {
    const [before, after] = [trigger(), known.triggers.find((one) => one.id === id)];
    const survey = after.kind === "response";
    const kept = before.kind === after.kind ? definition.trigger?.report ?? "" : "";
    definition.trigger = survey ? { kind: id, survey: known.surveys[0] ?? "nps" } : { kind: id, report: kept };
    for (const step of definition.steps) if (step.inputs?.text === before.text) step.inputs.text = after.text;
    changed(true);
  }

  function triggerFields() {
    const now = trigger();
    const kind = choose("Trigger", known.triggers.map((one) => [one.id, one.words]), now.id, turn);
    if (now.kind === "response") {
      suggestions("known-surveys", known.surveys);
      return [kind, text("survey", definition.trigger.survey, (value) => { definition.trigger.survey = value; changed(); }, { list: "known-surveys", size: 12 }), "by",
        choose("Segment", [["", "everybody"], ...known.segments.map((one) => [one.id, one.name])], definition.trigger.segment ?? "", (value) => { if (value) definition.trigger.segment = value; else delete definition.trigger.segment; changed(); })];
    }
    const fitting = known.reports.filter((one) => one.kind === now.kind);
    if (!fitting.length) return [kind, make("span", { class: "quiet" }, `There is no report of ${now.kind}s yet. `, make("a", { href: `/reports/new?kind=${now.kind}` }, "Make one"))];
    return [kind, choose("Report", [["", "choose a report"], ...fitting.map((one) => [one.id, one.name])], definition.trigger?.report ?? "", (value) => { definition.trigger.report = value; changed(true); })];
  }

  function reentryFields() {
    const now = trigger();
    if (now.kind === "response") return [];
    const every = typeof definition.reentry === "object";
    const who = now.kind === "account" ? "An account that" : "A visitor who";
    const again = now.out ? "leaves again" : "leaves and returns";
    return [make("div", { class: "rule", "data-at": "reentry" }, `${who} ${again}`, choose("Re-entry", [["never", "does not run again"], ["each_return", now.out ? "runs each time" : "runs at each return"], ["every_days", "runs at most every … days"]], every ? "every_days" : definition.reentry ?? "never", (value) => { definition.reentry = value === "every_days" ? { every_days: 30 } : value; changed(true); }),
      every ? text("days", definition.reentry.every_days, (value) => { definition.reentry = { every_days: Number.parseInt(value, 10) }; changed(); }, { type: "number", min: 1 }) : null)];
  }

  function input(step, name, schema) {
    const value = step.inputs[name];
    const set = (given) => {
      if (given === "" || given === undefined) delete step.inputs[name];
      else step.inputs[name] = given;
      changed();
    };
    const label = `${schema.title ?? name}${(action(step)?.schema.required ?? []).includes(name) ? " *" : ""}`;
    let control;
    if (schema.enum) control = choose(label, [["", `(${schema.default ?? "none"})`], ...schema.enum.map((one) => [one, one])], value ?? "", set);
    else if (schema["x-widget"] === "json") {
      control = make("textarea", { rows: 3, spellcheck: "false", "aria-label": label, oninput: () => { try { set(control.value.trim() ? JSON.parse(control.value) : ""); } catch { set(control.value); } } });
      control.value = value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value, null, 2);
    } else if (schema["x-widget"] === "textarea") {
      control = make("textarea", { rows: 3, "aria-label": label, oninput: () => set(control.value) });
      control.value = value ?? "";
    } else control = text(label, value, set, { placeholder: "" });
    control.addEventListener("focus", () => { last = control; });
    return make("label", { "data-at": `steps[${definition.steps.indexOf(step)}].inputs.${name}` }, label, control, make("small", {}, schema.description ?? ""));
  }

  function action(step) {
    return known.apps.find((app) => app.id === step.app)?.actions.find((one) => one.id === step.action);
  }

  function actionBody(step, index) {
    const app = known.apps.find((one) => one.id === step.app);
    const parts = [make("div", { class: "inline" },
      choose("App", known.apps.map((one) => [one.id, one.name]), step.app, (value) => { const chosen = known.apps.find((one) => one.id === value); Object.assign(step, { app: value, action: chosen.actions[0].id, inputs: {} }); delete step.connection; changed(true); }),
      choose("Action", (app?.actions ?? []).map((one) => [one.id, one.title]), step.action, (value) => { step.action = value; step.inputs = {}; changed(true); }),
      app && app.connection !== "none" ? choose("Connection", [["", app.connection === "required" ? "choose a connection" : "no connection"], ...known.connections.filter((one) => one.app === step.app).map((one) => [one.id, one.name])], step.connection ?? "", (value) => { if (value) step.connection = value; else delete step.connection; changed(); }, { "data-at": `steps[${index}].connection` }) : null)];
    for (const [name, schema] of Object.entries(action(step)?.schema.properties ?? {})) parts.push(input(step, name, schema));
    const put = (variable) => () => {
      if (!last || !last.isConnected) return;
      last.setRangeText(`{{ ${variable} }}`, last.selectionStart, last.selectionEnd, "end");
      last.dispatchEvent(new Event("input"));
      last.focus();
    };
    parts.push(make("div", { class: "tokens", "aria-label": "Insert into the field" }, ...variables(index).map((one) => button(`{{ ${one} }}`, put(one)))));
    return parts;
  }

  function filterBody(step, index) {
    const groups = step.all.map((group, number) => make("div", { class: "group", "data-at": `steps[${index}].all[${number}]` }, ...group.any.map((one, at) =>
      make("div", { class: "rule", "data-at": `steps[${index}].all[${number}].any[${at}]` }, at ? make("span", { class: "joiner" }, "OR") : null,
        text("{{ row.nps_score }}", one.left, (value) => { one.left = value; changed(); }, { class: "grow" }),
        choose("operator", known.operators, one.op, (value) => { one.op = value; delete one.value; changed(true); }),
        ...valueField(one.op, one.value, (value) => { one.value = value; changed(); }),
        button("Remove", () => { group.any.splice(at, 1); if (!group.any.length) step.all.splice(number, 1); changed(true); }, { class: "small remove" }))),
      make("div", {}, button("+ or", () => { group.any.push({ left: "", op: "is", value: "" }); changed(true); }))));
    return [make("p", { class: "quiet" }, "Goes on only if all of these hold:"), ...groups, make("div", {}, button("+ and", () => { step.all.push({ any: [{ left: "", op: "is", value: "" }] }); changed(true); }))];
  }

  function add(kind) {
    const taken = new Set(definition.steps.map((step) => step.id));
    let number = definition.steps.length + 1;
    while (taken.has(`step_${number}`)) number += 1;
    definition.steps.push(kind === "filter"
      ? { id: `step_${number}`, type: "filter", all: [{ any: [{ left: "{{ row. }}", op: "is", value: "" }] }] }
      : { id: `step_${number}`, type: "action", app: known.apps[0].id, action: known.apps[0].actions[0].id, inputs: {} });
    changed(true);
  }

  function draw() {
    if (!definition) return root.replaceChildren(make("p", { class: "quiet" }, "This definition can only be shown as JSON below."));
    const steps = definition.steps.map((step, index) => {
      const move = (by) => () => { const [one] = definition.steps.splice(index, 1); definition.steps.splice(index + by, 0, one); changed(true); };
      return make("div", { class: "group", "data-at": `steps[${index}]` },
        make("div", { class: "inline" }, make("b", {}, `${index + 1}.`), text("step's id", step.id, (value) => { step.id = value; changed(); }, { size: 14 }), make("span", { class: "kind" }, step.type),
          index ? button("↑", move(-1), { "aria-label": "Move up" }) : null, index < definition.steps.length - 1 ? button("↓", move(1), { "aria-label": "Move down" }) : null,
          button("Remove", () => { definition.steps.splice(index, 1); changed(true); }, { class: "small remove" })),
        ...(step.type === "filter" ? filterBody(step, index) : actionBody(step, index)));
    });
    root.replaceChildren(
      make("label", { "data-at": "name" }, "Name", text("Name", definition.name, (value) => { definition.name = value; changed(); }, { required: true, maxlength: 200, placeholder: "NPS responses to a channel" })),
      make("div", { class: "rule", "data-at": "trigger" }, ...triggerFields()),
      ...reentryFields(),
      make("h2", {}, "Then"), ...steps,
      make("div", { class: "inline" }, button("+ action", () => add("action")), button("+ filter", () => add("filter"))));
  }

  field.addEventListener("input", () => { definition = read(); draw(); });
  draw();
  markWrong(root, document.querySelector("main > [data-path]")?.dataset.path);
}
