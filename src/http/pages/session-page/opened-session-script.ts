/** One session, read when it is opened and where its budget or format is changed. */
export const OPENED_SESSION_SCRIPT = String.raw`
// One session.

async function openSession(id) {
  const opened = { id, session: null, context: null, rendered: null, messages: new Map(), nodes: new Map() };
  view = opened;
  places.context = 0;
  for (const button of byId("session-list").querySelectorAll("button")) {
    button.setAttribute("aria-current", String(button.dataset.session === id));
  }
  showView("transcript");
  byId("message-list").replaceChildren();
  byId("transcript-note").textContent = "Loading …";
  byId("context-body").replaceChildren(el("p", { className: "note" }, "Loading …"));
  try {
    opened.session = await api(sessionPath(id));
    await Promise.all([loadContext(opened), loadMessages(opened, opened.session.lastSeq - PAGE_SIZE)]);
  } catch (error) {
    if (view === opened) {
      view = null;
      byId("transcript-note").textContent = "This session could not be read.";
      byId("context-body").replaceChildren();
    }
    throw error;
  }
  if (view !== opened) return;
  renderTranscript();
  renderContext();
  byId("message-list").lastElementChild?.scrollIntoView({ block: "end" });
}

async function loadMessages(target, afterSeq) {
  const page = await api(sessionPath(target.id) + "/messages", { afterSeq: Math.max(0, afterSeq), limit: PAGE_SIZE });
  for (const message of page.data) {
    target.messages.set(message.seq, message);
    target.nodes.delete(message.seq);
  }
}

/** The explained form tells what became of each message; another form is shown, if that was asked for. */
async function loadContext(target) {
  const maxTokens = byId("max-tokens").value;
  const format = byId("format").value;
  const path = sessionPath(target.id) + "/context";
  const [context, rendered] = await Promise.all([
    api(path, { maxTokens }),
    format === "threadkeep" ? null : api(path, { maxTokens, format }),
  ]);
  target.context = context;
  target.rendered = rendered;
}

async function reloadContext() {
  const target = view;
  if (target === null) return;
  await loadContext(target);
  if (view !== target) return;
  target.nodes.clear();
  renderTranscript();
  renderContext();
}

byId("max-tokens").addEventListener("change", () => attempt(reloadContext));
byId("format").addEventListener("change", () => attempt(reloadContext));
`;
