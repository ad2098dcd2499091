// Conditions: AND over groups, OR inside a group.
import { button, choose, make, valueField } from "../dom.js";
import { changed, known } from "./state.js";
import { words } from "./fields.js";

export const FRESH = () => [{ any: [{ left: "", op: "is", value: "" }] }];

export function conditions(groups, at, place) {
  const add = (group) => { group.any.push({ left: "", op: "is", value: "" }); changed(true); };
  const shown = groups.map((group, number) => {
    const here = `${place}[${number}]`;
    const rows = group.any.map((one, index) => {
      const where = `${here}.any[${index}]`;
      const name = `Condition ${number + 1}.${index + 1}`;
      return make("div", { class: "rule", "data-at": where, role: "group", "aria-label": name }, index ? make("span", { class: "joiner" }, "OR") : null,
        words(`${name}: value`, one.left, (value) => { one.left = value; changed(); }, { at, place: `${where}.left`, placeholder: "{{ row.score }}" }),
        choose(`${name}: operator`, known.operators.map((op) => [op, known.words[op] ?? op.replaceAll("_", " ")]), one.op, (value) => {
          const kind = (op) => (op === "between" ? 2 : op.endsWith("set") ? 0 : ["in", "not_in"].includes(op) ? 3 : 1);
          if (kind(value) === 0) delete one.value;
          else if (kind(value) !== kind(one.op)) one.value = kind(value) === 1 ? "" : kind(value) === 2 ? ["", ""] : [];
          one.op = value;
          changed(true);
        }),
        ...valueField(one.op, one.value, (value) => { one.value = value; changed(); }),
        button("Remove", () => { group.any.splice(index, 1); if (!group.any.length) groups.splice(number, 1); changed(true); }, { class: "small remove", "aria-label": `Remove ${name}` }));
    });
    return [number ? make("span", { class: "joiner" }, "AND") : null, make("div", { class: "group", "data-at": here }, ...rows, make("div", {}, button("+ or", () => add(group), { "aria-label": `Add a condition to group ${number + 1}` })))];
  });
  return make("div", { class: "conditions", "data-at": place }, ...shown.flat(), make("div", {}, button("+ and", () => { groups.push(FRESH()[0]); changed(true); }, { "aria-label": "Add a group of conditions" })));
}
