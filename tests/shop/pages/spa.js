// A router as the frameworks have one: it writes its state at the start, goes on from some pages, sets the title later.
const titles = { "/spa/list": "List", "/spa/cart": "Cart", "/spa/old": "Old" };
function show() {
  document.querySelector("main").textContent = location.pathname;
  setTimeout(() => { document.title = titles[location.pathname] || "Spa"; });
}
function go(path) {
  history.pushState({ path }, "", path);
  if (path === "/spa/old") history.replaceState({ path }, "", "/spa/list");
  show();
}
addEventListener("popstate", show);
document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-go]");
  if (link) go(link.dataset.go);
});
history.replaceState({ path: location.pathname }, "", location.href);
show();
