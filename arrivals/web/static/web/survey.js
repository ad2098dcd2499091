// The form of a survey: shows what belongs to its kind, adds addresses, and previews it with the agent's own code.

const form = document.getElementById("survey-form");
const place = document.getElementById("survey-preview");
const problem = document.getElementById("preview-problem");
const language = document.getElementById("preview-language");
let remove = () => {};
let asked = 0;
let timer;

async function show() {
  const number = ++asked;
  const data = new FormData(form);
  data.set("preview_language", language.value);
  const answer = await fetch("/surveys/preview", { method: "POST", body: data });
  if (number !== asked || !answer.ok) return;
  const told = await answer.json();
  problem.hidden = !told.problem;
  if (told.problem) {
    problem.textContent = `${told.problem} (${told.path})`;
    return;
  }
  remove();
  place.replaceChildren();
  remove = window.arrivalsSurveys.preview(place, told);
}

function kind() {
  const chosen = form.querySelector("input[name=kind]:checked");
  if (!chosen) return;
  // The suggestions follow the kind as long as nobody wrote something else.
  for (const part of ["key", "name"]) {
    const suggested = Array.from(form.querySelectorAll("input[name=kind]"), (one) => one.dataset[part]);
    if (["", ...suggested].includes(form.elements[part].value)) form.elements[part].value = chosen.dataset[part];
  }
  form.dataset.kind = chosen.value;
  form.elements.text_question.placeholder = chosen.value === "question" ? "Which plan suits you?" : "In the reader's language, if empty";
}

function soon() {
  clearTimeout(timer);
  timer = setTimeout(show, 250);
}

const more = document.getElementById("more-pages");
more.hidden = false;
more.addEventListener("click", () => {
  const rows = document.querySelectorAll("#pages .rule");
  const row = rows[rows.length - 1].cloneNode(true);
  row.querySelector("input").value = "";
  document.getElementById("pages").append(row);
  row.querySelector("input").focus();
});
form.addEventListener("change", (event) => event.target.name === "kind" && kind());

if (window.arrivalsSurveys) {
  form.addEventListener("input", soon);
  form.addEventListener("change", soon);
  language.addEventListener("change", show);
  show();
}
