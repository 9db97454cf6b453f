/** Views for a narrow window, words, and what starts and refreshes the page. */
export const VIEWS_SCRIPT = String.raw`
// Views for a narrow window, words, refreshing.

/** In a narrow window the views share one scroller; each comes back as it was left. */
const places = {};

function showView(name) {
  const main = document.querySelector("main");
  if (main.dataset.view !== name) {
    places[main.dataset.view] = main.scrollTop;
    main.dataset.view = name;
    main.scrollTop = places[name] || 0;
  }
  for (const button of document.querySelectorAll(".views button")) {
    button.setAttribute("aria-pressed", String(button.dataset.view === name));
  }
}
for (const button of document.querySelectorAll(".views button")) {
  button.addEventListener("click", () => showView(button.dataset.view));
}

function count(value, noun) {
  return numbers.format(value) + " " + noun + (value === 1 ? "" : "s");
}

function time(text) {
  const date = new Date(text);
  return Number.isNaN(date.valueOf()) ? text : date.toLocaleString("en", { dateStyle: "medium", timeStyle: "short" });
}

async function refresh() {
  const target = view;
  if (target === null || target.session === null || target.context === null) return;
  const session = await api(sessionPath(target.id));
  if (view !== target || JSON.stringify(session) === JSON.stringify(target.session)) return;
  const grown = session.lastSeq > target.session.lastSeq;
  target.session = session;
  if (grown) await loadMessages(target, Math.max(...target.messages.keys(), session.lastSeq - PAGE_SIZE));
  if (view === target) await reloadContext();
}

setInterval(() => {
  if (byId("live").checked && !document.hidden) attempt(refresh);
}, REFRESH_MS);

showSignedIn();
if (sessionStorage.getItem(KEY) !== null) attempt(start);
else byId("key").focus();
`;
