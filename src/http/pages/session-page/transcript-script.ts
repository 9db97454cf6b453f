/** The transcript: each message, and what the context makes of it. */
export const TRANSCRIPT_SCRIPT = String.raw`
// The transcript.

function renderTranscript() {
  const { session, messages, nodes } = view;
  const list = byId("message-list");
  const entries = [];
  let next = 1;
  for (const seq of [...messages.keys()].sort((a, b) => a - b)) {
    if (seq > next) entries.push(gapEntry(next, seq - 1));
    if (!nodes.has(seq)) nodes.set(seq, messageEntry(messages.get(seq)));
    entries.push(nodes.get(seq));
    next = seq + 1;
  }
  if (next <= session.lastSeq) entries.push(gapEntry(next, session.lastSeq));
  list.replaceChildren(...entries);
  byId("transcript-note").textContent =
    session.lastSeq === 0
      ? "No messages yet."
      : session.id + ": " + count(session.lastSeq, "message") + ", " + count(session.messageTokens, "token");
}

function messageEntry(message) {
  const fate = fateOf(message.seq);
  const said = message.occurredAt || message.createdAt;
  const head = el(
    "div",
    { className: "head" },
    el("b", {}, "#" + message.seq + " " + message.role),
    message.author ? el("span", {}, message.author) : null,
    el("span", {}, time(said)),
    el("span", {}, count(message.tokens, "token")),
    fate.label ? el("span", { className: "tag " + fate.kind }, fate.label) : null,
  );
  const entry = el("li", { className: "message " + fate.kind, id: "message-" + message.seq, tabIndex: -1 }, head);
  if (message.erased) entry.append(el("p", { className: "note" }, "Erased. The place in the order stays."));
  else if (typeof message.content === "string") entry.append(textBlock(message.content));
  else entry.append(...message.content.map(partBlock));
  return entry;
}

/** What the context makes of a message. */
function fateOf(seq) {
  const { context } = view;
  if (context === null) return { kind: "unknown", label: "" };
  const range = context.omitted.find((omitted) => omitted.fromSeq <= seq && seq <= omitted.throughSeq);
  if (range?.reason === "branch") return { kind: "omitted", label: "not on the active branch" };
  if (range !== undefined) return { kind: "omitted", label: "left out: " + range.reason };
  if (seq > context.atSeq) return { kind: "unknown", label: "" };
  if (context.messages.some((message) => message.seq === seq)) return { kind: "recent", label: "word for word" };
  if (context.summary !== null && seq <= context.summary.throughSeq) return { kind: "summarized", label: "summarized" };
  return { kind: "unknown", label: "" };
}

function textBlock(text) {
  const block = el("div", { className: "text" }, text);
  if (text.length <= LONG_TEXT) return block;
  block.textContent = text.slice(0, LONG_TEXT) + " …";
  const more = el("button", { type: "button" }, "Show all " + count(text.length, "character"));
  more.addEventListener("click", () => {
    block.textContent = text;
    more.remove();
  });
  return el("div", {}, block, more);
}

function partBlock(part) {
  if (part.type === "text") return textBlock(part.text);
  const label = { file: "file", reasoning: "reasoning", "tool-call": "calls", "tool-result": "result of" }[part.type] || part.type;
  const name = part.toolName || part.filename || "";
  const isWords = part.type === "file" || part.type === "reasoning";
  const content = isWords ? part.text || part.mediaType : JSON.stringify(part.input ?? part.output ?? part.data ?? null, null, 2);
  const block = el("div", { className: isWords ? "part" : "part json" });
  block.append(el("div", { className: "label" }, label + " " + name), textBlock(content));
  return block;
}

/** Messages that are not loaded: the ones nearest to what follows come first. */
function gapEntry(fromSeq, throughSeq) {
  const first = Math.max(fromSeq, throughSeq - PAGE_SIZE + 1);
  const button = el("button", { type: "button", className: "gap" }, "Load messages " + first + " to " + throughSeq);
  button.addEventListener("click", () =>
    attempt(async () => {
      const target = view;
      button.disabled = true;
      await loadMessages(target, first - 1);
      if (view === target) keepPlace(renderTranscript);
    }).finally(() => (button.disabled = false)),
  );
  return el("li", {}, button);
}

/** Renders so that the message at the top stays where it is, although others come before it. */
function keepPlace(render) {
  const top = byId("transcript").getBoundingClientRect().top;
  const anchor = [...document.querySelectorAll(".message")].find((entry) => entry.getBoundingClientRect().bottom > top);
  const before = anchor?.getBoundingClientRect().top;
  render();
  if (anchor === undefined || !anchor.isConnected) return;
  const moved = anchor.getBoundingClientRect().top - before;
  const scroller = getComputedStyle(byId("transcript")).overflowY === "auto" ? byId("transcript") : document.querySelector("main");
  scroller.scrollTop += moved;
}

async function showMessage(seq) {
  const target = view;
  if (target === null || seq > target.session.lastSeq) return;
  if (!target.messages.has(seq)) {
    await loadMessages(target, seq - 1 - Math.floor(PAGE_SIZE / 4));
    if (view !== target) return;
    renderTranscript();
  }
  showView("transcript");
  const entry = byId("message-" + seq);
  entry?.scrollIntoView({ block: "center" });
  entry?.focus({ preventScroll: true });
}
`;
