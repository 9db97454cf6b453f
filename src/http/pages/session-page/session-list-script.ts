/** The list of sessions, and the address that says which of them is open. */
export const SESSION_LIST_SCRIPT = String.raw`
// The list of sessions.

async function loadSessions(anew) {
  const note = byId("sessions-note");
  note.textContent = "Loading …";
  note.hidden = false;
  try {
    const page = await api("/sessions", { limit: PAGE_SIZE, cursor: anew ? null : sessionsCursor });
    if (anew) byId("session-list").replaceChildren();
    byId("session-list").append(...page.data.map(sessionEntry));
    sessionsCursor = page.nextCursor;
    byId("more-sessions").hidden = !page.hasMore;
    const isEmpty = byId("session-list").childElementCount === 0;
    note.textContent = "There are no sessions yet. Append a message, and its session is here.";
    note.hidden = !isEmpty;
  } catch (error) {
    note.textContent = "The sessions could not be listed.";
    throw error;
  }
}

function sessionEntry(session) {
  const button = el("button", { type: "button" }, session.id, el("small", {}, time(session.createdAt)));
  button.dataset.session = session.id;
  const facts = Object.entries(session.metadata || {}).slice(0, 4);
  if (facts.length > 0) {
    const words = facts.map(([name, value]) => name + ": " + (typeof value === "string" ? value : JSON.stringify(value)));
    button.append(el("small", {}, words.join(", ").slice(0, 200)));
  }
  button.addEventListener("click", () => goTo(session.id, null));
  return el("li", {}, button);
}

byId("more-sessions").addEventListener("click", () => attempt(() => loadSessions(false)));

// The address: #session=ID&seq=N. A citation is an ordinary link, and the back button works.

function address(id, seq) {
  return "#" + new URLSearchParams(seq === null ? { session: id } : { session: id, seq: String(seq) });
}

function goTo(id, seq) {
  const target = address(id, seq);
  if (location.hash === target) attempt(followAddress);
  else location.hash = target;
}

window.addEventListener("hashchange", () => attempt(followAddress));

async function followAddress() {
  if (sessionStorage.getItem(KEY) === null) return;
  const wanted = new URLSearchParams(location.hash.slice(1));
  const id = wanted.get("session");
  if (id === null) return;
  if (view === null || view.id !== id) await openSession(id);
  const seq = Number(wanted.get("seq"));
  if (Number.isSafeInteger(seq) && seq > 0) await showMessage(seq);
}
`;
