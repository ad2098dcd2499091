// What htmx does not do: copying, asking before a deletion, dialogs, fresh relative times, and quiet in hidden tabs.

const SPANS = [[86400, "d"], [3600, "h"], [60, "min"]];

function relative(iso) {
  const seconds = (Date.now() - new Date(iso)) / 1000;
  for (const [length, name] of SPANS) {
    if (Math.abs(seconds) >= length) {
      const number = Math.floor(Math.abs(seconds) / length);
      return seconds > 0 ? `${number} ${name} ago` : `in ${number} ${name}`;
    }
  }
  return seconds >= 0 ? "just now" : "in a moment";
}

setInterval(() => {
  for (const time of document.querySelectorAll("time[datetime]")) time.textContent = relative(time.dateTime);
}, 15000);

document.addEventListener("click", async (event) => {
  const copy = event.target.closest("[data-copy], [data-copy-from]");
  if (copy) {
    const text = copy.dataset.copy ?? document.querySelector(copy.dataset.copyFrom).textContent;
    try {
      await navigator.clipboard.writeText(text);
      copy.textContent = "Copied";
    } catch {
      copy.textContent = "Select it by hand";
    }
    setTimeout(() => { copy.textContent = "Copy"; }, 1500);
  }
  const open = event.target.closest("[data-open]");
  if (open) {
    const dialog = document.querySelector(open.dataset.open);
    dialog.showModal();
    for (const part of dialog.querySelectorAll("[hx-trigger]")) part.dispatchEvent(new CustomEvent("dialog-opened"));
  }
  if (event.target.closest("[data-close]")) event.target.closest("dialog").close();
});

document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});

// A tab that nobody looks at does not ask for news.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden && event.target.hasAttribute("data-live")) event.preventDefault();
});

// On a phone the navigation scrolls sideways: the present place is brought into view.
for (const here of document.querySelectorAll("nav a[aria-current]")) {
  const bar = here.parentElement;
  if (bar.scrollWidth > bar.clientWidth) bar.scrollLeft = here.offsetLeft - (bar.clientWidth - here.offsetWidth) / 2;
}
