/** What the model gets: the budget, the summary with its sources, and what stays word for word. */
export const CONTEXT_SCRIPT = String.raw`
// What the model gets.

function renderContext() {
  const { context, rendered, session } = view;
  const body = byId("context-body");
  const tokens = context.tokens;
  const blocks = [
    budgetBar(tokens),
    el("p", { className: "note" },
      numbers.format(tokens.used) + " of " + count(tokens.budget, "token") + ": summary " + numbers.format(tokens.summary) +
      ", messages " + numbers.format(tokens.messages) + ". The whole chat has " + numbers.format(session.messageTokens) + "."),
  ];
  if (context.leftOut) {
    const { messages, tokens, help } = context.leftOut;
    blocks.push(el("p", { className: "note" }, count(messages, "message") + " with about " + count(tokens, "token") + " have no room here. " + help + "."));
  }
  if (context.summaryPending) blocks.push(el("p", { className: "note" }, "A newer summary is being made."));
  if (rendered !== null) {
    const text = typeof rendered.text === "string" ? rendered.text : JSON.stringify({ ...rendered, meta: undefined }, null, 2);
    blocks.push(el("pre", { tabIndex: 0 }, text));
  } else {
    blocks.push(...summaryBlocks(context), ...recentBlocks(context));
  }
  body.replaceChildren(...blocks);
}

function budgetBar(tokens) {
  const bar = el("div", { className: "budget", role: "meter" });
  bar.setAttribute("aria-label", "Tokens used of the budget");
  bar.setAttribute("aria-valuemin", "0");
  bar.setAttribute("aria-valuemax", String(tokens.budget));
  bar.setAttribute("aria-valuenow", String(tokens.used));
  for (const part of ["summary", "messages"]) {
    const segment = el("span", { className: part, title: part + ": " + count(tokens[part], "token") });
    segment.style.width = (100 * tokens[part]) / Math.max(1, tokens.budget) + "%";
    bar.append(segment);
  }
  return bar;
}

function summaryBlocks(context) {
  const summary = context.summary;
  if (summary === null) {
    const isWhole = !context.omitted.some((range) => range.reason !== "hidden" && range.reason !== "branch");
    const words = isWhole ? "There is no summary yet: the chat is given word for word." : "There is no summary yet.";
    return [el("h3", {}, "Summary"), el("p", { className: "note" }, words)];
  }
  const words =
    "Version " + summary.version + " covers messages 1 to " + summary.throughSeq + " in " + count(summary.items.length, "item") +
    ", made by " + summary.summarizer + (summary.degraded ? ", degraded: a better one follows" : "") + ".";
  return [
    el("h3", {}, "Summary"),
    el("p", { className: "note" }, words),
    el("ul", {}, ...summary.items.map(itemEntry)),
  ];
}

function itemEntry(item) {
  const links = item.sourceSeqs.map((seq) => {
    const link = el("a", { href: address(view.id, seq) }, "#" + seq);
    link.setAttribute("aria-label", "Go to message " + seq);
    // The same citation followed twice changes no address, and so raises no event of its own.
    link.addEventListener("click", () => {
      if (location.hash === link.hash) attempt(followAddress);
    });
    return link;
  });
  return el(
    "li",
    { className: "item " + item.status },
    el("span", { className: "tag summarized" }, item.kind + (item.status === "current" ? "" : ", " + item.status)),
    " ",
    el("span", { className: "text" }, item.text),
    " ",
    el("span", { className: "cites" }, ...links),
  );
}

/** Messages word for word and what was left out between them, in order. */
function recentBlocks(context) {
  const entries = [
    ...context.messages.map((message) => ({ seq: message.seq, node: contextEntry(message) })),
    ...context.omitted.map((range) => ({ seq: range.fromSeq, node: rangeEntry(range) })),
  ].sort((a, b) => a.seq - b.seq);
  const list = el("ol", {}, ...entries.map((entry) => entry.node));
  const isEmpty = entries.length === 0;
  return [el("h3", {}, "Word for word"), isEmpty ? el("p", { className: "note" }, "No messages.") : list];
}

function contextEntry(message) {
  const link = el("a", { href: address(view.id, message.seq) }, "#" + message.seq);
  const head = el("div", { className: "head" }, el("b", {}, link, " " + message.role), el("span", {}, count(message.tokens, "token")));
  if (message.cut) head.append(el("span", { className: "tag omitted" }, "cut to fit"));
  const entry = el("li", { className: "message recent" }, head);
  if (typeof message.content === "string") entry.append(textBlock(message.content));
  else entry.append(...message.content.map(partBlock));
  return entry;
}

const REASONS = {
  budget: "no room in the budget",
  hidden: "erased, or awaiting a new summary",
  pending: "no room, and a summary of them is on its way",
};

function rangeEntry(range) {
  const which = range.fromSeq === range.throughSeq ? "Message " + range.fromSeq : "Messages " + range.fromSeq + " to " + range.throughSeq;
  return el("li", { className: "range" }, which + " left out: " + (REASONS[range.reason] || range.reason) + ".");
}
`;
