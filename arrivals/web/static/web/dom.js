// Small makers of elements, shared by the builders.

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function choose(label, options, value, change, attributes = {}) {
  const select = make("select", { "aria-label": label, onchange: () => change(select.value), ...attributes });
  for (const one of options) {
    const [key, text] = Array.isArray(one) ? one : [one, String(one).replaceAll("_", " ")];
    select.append(make("option", { value: key, selected: key === value }, text));
  }
  if (value && !options.some((one) => (Array.isArray(one) ? one[0] : one) === value)) select.append(make("option", { value, selected: true }, value));
  return select;
}

export function text(label, value, change, attributes = {}) {
  const input = make("input", { "aria-label": label, placeholder: label, value: value ?? "", oninput: () => change(input.value), ...attributes });
  return input;
}

export function suggestions(id, values) {
  document.getElementById(id)?.remove();
  document.body.append(make("datalist", { id }, values.map((value) => make("option", { value }))));
  return id;
}

export function button(label, press, attributes = {}) {
  return make("button", { type: "button", class: "small", onclick: press, ...attributes }, label);
}

export function data(id) {
  return JSON.parse(document.getElementById(id).textContent);
}

// What a text says as JSON; null where that is nothing that fits.
export function parsed(text, fits = () => true) {
  try {
    const value = JSON.parse(text);
    return fits(value) ? value : null;
  } catch {
    return null;
  }
}

// A number where a text is one, so that 9 is compared as a number.
export function typed(value) {
  return value.trim() !== "" && !Number.isNaN(Number(value)) && !/^0\d/.test(value.trim()) ? Number(value) : value;
}

export function valueField(op, value, change) {
  if (op === "is_set" || op === "is_not_set") return [];
  if (op === "in" || op === "not_in") return [text("values, with commas", (value ?? []).join?.(", ") ?? value, (v) => change(v.split(",").map((one) => typed(one.trim())).filter((one) => one !== "")), { class: "grow" })];
  if (op === "between") {
    const pair = Array.isArray(value) ? [...value] : ["", ""];
    return [0, 1].map((at) => text(at ? "to" : "from", pair[at], (v) => { pair[at] = typed(v); change([...pair]); }, { class: "grow" }));
  }
  return [text("value", value, (v) => change(["contains", "not_contains", "starts_with"].includes(op) ? v : typed(v)), { class: "grow" })];
}

// Puts a refusal's path ("rules.all[0].any[1].when") on the element that was made for the longest part of it.
export function markWrong(root, path) {
  for (const element of root.querySelectorAll(".wrong[data-at]")) element.classList.remove("wrong");
  if (!path) return;
  const places = [...root.querySelectorAll("[data-at]")].filter((element) => path.startsWith(element.dataset.at));
  places.sort((a, b) => b.dataset.at.length - a.dataset.at.length)[0]?.classList.add("wrong");
}
