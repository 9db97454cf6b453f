/**
 * The page at `/`: pick a session, see its transcript beside what the model gets of it. Read-only, one file, no framework.
 *
 * Text from a chat reaches the document as text nodes alone, and the page's policy forbids anything else. The key lives in
 * `sessionStorage`, never in a URL. The script holds no backtick and no dollar-brace, because it stands in a template itself.
 */

import { pageAnswer } from "./page-answer.ts";

export function answerSessionPage(): Promise<Response> {
  return pageAnswer(PAGE);
}

const STYLE = `
:root {
  color-scheme: light dark;
  --text: #1c2024; --muted: #59626d; --line: #d9dee4; --paper: #ffffff; --tint: #f3f5f8;
  --accent: #0b5fbf; --summary: #7a4a00; --summary-tint: #fdf3e1; --recent: #136b3a; --omitted: #a3262b; --omitted-tint: #fdeced;
}
@media (prefers-color-scheme: dark) {
  :root {
    --text: #e6e9ec; --muted: #a2abb6; --line: #363d46; --paper: #15181c; --tint: #1e2329;
    --accent: #7db7f5; --summary: #f0bd6a; --summary-tint: #2b2415; --recent: #6fcf97; --omitted: #f29a9d; --omitted-tint: #331d1f;
  }
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
html, body { height: 100%; margin: 0; }
body { display: flex; flex-direction: column; font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--paper); }
button, input, select { font: inherit; color: inherit; }
button, select, input[type=password], input[type=text] { background: var(--paper); border: 1px solid var(--line); border-radius: .35rem; padding: .3rem .6rem; }
button { cursor: pointer; background: var(--tint); }
button:hover { border-color: var(--accent); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
a { color: var(--accent); }
h1, h2, h3, p, ol, ul { margin: 0; padding: 0; }
ol, ul { list-style: none; }
h1 { font-size: 1.15rem; }
h2 { font-size: 1rem; }
h3 { font-size: .85rem; color: var(--muted); text-transform: uppercase; letter-spacing: .04em; margin: 1rem 0 .4rem; }

header { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: center; padding: .6rem 1rem; border-bottom: 1px solid var(--line); }
header .grow { flex: 1; }
form { display: flex; flex-wrap: wrap; gap: .5rem; align-items: end; }
form label { display: flex; flex-direction: column; font-size: .8rem; color: var(--muted); }
#problem { padding: .6rem 1rem; color: var(--omitted); background: var(--omitted-tint); border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }

main { flex: 1; min-height: 0; display: grid; grid-template-columns: 15rem minmax(0, 1fr) minmax(0, 1fr); }
main > section { min-height: 0; overflow-y: auto; padding: 0 1rem 2rem; border-right: 1px solid var(--line); }
main > section:focus-visible { outline-offset: -2px; }
.bar { display: flex; flex-wrap: wrap; gap: .4rem .75rem; align-items: center; padding: .75rem 0 .5rem; position: sticky; top: 0; z-index: 1; background: var(--paper); }
.bar label { font-size: .85rem; color: var(--muted); }
.note { color: var(--muted); font-size: .9rem; }
.views { display: none; gap: .25rem; padding: .4rem 1rem; border-bottom: 1px solid var(--line); }
.views button[aria-pressed=true] { border-color: var(--accent); color: var(--accent); font-weight: 600; }

#session-list button { width: 100%; text-align: left; margin-bottom: .3rem; overflow-wrap: anywhere; }
#session-list button[aria-current=true] { border-color: var(--accent); box-shadow: inset 3px 0 0 var(--accent); }
#session-list small { display: block; color: var(--muted); }

.message { padding: .5rem .75rem; margin-bottom: .5rem; border: 1px solid var(--line); border-left: 4px solid var(--recent); border-radius: .35rem; }
.message:focus { outline: 2px solid var(--accent); }
.message.summarized { border-left: 4px dotted var(--summary); background: var(--summary-tint); color: var(--muted); }
.message.omitted { border-left: 4px dashed var(--omitted); background: var(--omitted-tint); }
.message.unknown { border-left-color: var(--line); }
.message .head { display: flex; flex-wrap: wrap; gap: .1rem .6rem; font-size: .82rem; color: var(--muted); }
.message .head b { color: var(--text); }
.tag { font-size: .75rem; padding: 0 .4rem; border: 1px solid currentColor; border-radius: .7rem; }
.tag.summarized { color: var(--summary); }
.tag.recent { color: var(--recent); }
.tag.omitted { color: var(--omitted); }
.text { white-space: pre-wrap; overflow-wrap: anywhere; }
.part { margin-top: .3rem; padding-left: .6rem; border-left: 2px solid var(--line); }
.part.json .text { font: .85rem/1.45 ui-monospace, monospace; }
.part .label { font-size: .8rem; color: var(--muted); }
.gap { width: 100%; margin-bottom: .5rem; border-style: dashed; }
.range { padding: .4rem .75rem; margin-bottom: .5rem; border: 1px dashed var(--omitted); border-radius: .35rem; color: var(--omitted); background: var(--omitted-tint); }

.budget { display: flex; height: .7rem; margin: .3rem 0; border: 1px solid var(--line); border-radius: .35rem; overflow: hidden; background: var(--tint); }
.budget .summary { background: var(--summary); }
.budget .messages { background: var(--recent); }
.item { padding: .4rem .75rem; margin-bottom: .4rem; border-left: 4px dotted var(--summary); background: var(--summary-tint); border-radius: .35rem; overflow-wrap: anywhere; }
.item.superseded .text, .item.done .text { text-decoration: line-through; color: var(--muted); }
.item .cites { display: inline-flex; flex-wrap: wrap; gap: .1rem .4rem; font-size: .85rem; }
pre { margin: 0; padding: .75rem; white-space: pre-wrap; overflow-wrap: anywhere; font: .85rem/1.5 ui-monospace, monospace; background: var(--tint); border: 1px solid var(--line); border-radius: .35rem; }

@media (max-width: 60rem) {
  .views { display: flex; }
  main { display: block; overflow-y: auto; }
  main > section { border-right: 0; overflow: visible; }
  main[data-view=sessions] > section:not(#sessions),
  main[data-view=transcript] > section:not(#transcript),
  main[data-view=context] > section:not(#context) { display: none; }
}
@media (prefers-reduced-motion: no-preference) {
  .message { transition: background-color .6s; }
}
`;

const BODY = `
<header>
  <h1>Threadkeep</h1>
  <form id="key-form" autocomplete="off">
    <label>API key <input id="key" type="password" required autocomplete="off" spellcheck="false"></label>
    <label>User, if not the tenant <input id="user" type="text" autocomplete="off" spellcheck="false" pattern="[A-Za-z0-9._:\\-]{1,128}"></label>
    <button type="submit">Open</button>
  </form>
  <span id="signed-in" hidden><span id="who" class="note"></span> <button id="forget" type="button">Forget the key</button></span>
  <span class="grow"></span>
  <label class="note"><input id="live" type="checkbox"> Refresh by itself</label>
  <a href="/docs">API reference</a>
</header>
<div id="problem" role="alert" hidden></div>
<nav class="views" aria-label="View">
  <button type="button" data-view="sessions" aria-pressed="true">Sessions</button>
  <button type="button" data-view="transcript" aria-pressed="false">Transcript</button>
  <button type="button" data-view="context" aria-pressed="false">Context</button>
</nav>
<main data-view="sessions">
  <section id="sessions" aria-labelledby="sessions-title">
    <div class="bar"><h2 id="sessions-title">Sessions</h2></div>
    <p id="sessions-note" class="note">Enter an API key to list the sessions.</p>
    <ul id="session-list"></ul>
    <button id="more-sessions" type="button" hidden>More sessions</button>
  </section>
  <section id="transcript" tabindex="0" aria-labelledby="transcript-title">
    <div class="bar"><h2 id="transcript-title">Transcript</h2> <span id="transcript-note" class="note">Pick a session.</span></div>
    <ol id="message-list"></ol>
  </section>
  <section id="context" tabindex="0" aria-labelledby="context-title">
    <div class="bar">
      <h2 id="context-title">What the model gets</h2>
      <label>Budget
        <select id="max-tokens">
          <option value="">the session's</option>
          <option value="500">500</option><option value="1000">1,000</option><option value="2000">2,000</option>
          <option value="4000">4,000</option><option value="8000">8,000</option><option value="16000">16,000</option>
          <option value="32000">32,000</option>
        </select>
      </label>
      <label>Shown as
        <select id="format">
          <option value="threadkeep">explained</option><option value="text">text</option>
          <option value="openai-chat">OpenAI chat</option><option value="openai-responses">OpenAI responses</option>
          <option value="anthropic">Anthropic</option><option value="ai-sdk">AI SDK</option>
          <option value="ui">UI messages</option>
        </select>
      </label>
    </div>
    <div id="context-body" aria-live="polite"><p class="note">Pick a session.</p></div>
  </section>
</main>
`;

const SCRIPT = String.raw`
"use strict";
const KEY = "threadkeep.key";
const USER = "threadkeep.user";
const PAGE_SIZE = 50;
const LONG_TEXT = 2000;
const REFRESH_MS = 3000;

const byId = (id) => document.getElementById(id);
const numbers = new Intl.NumberFormat("en");

/** What is shown now. Each opened session gets a new object, so that a late answer finds itself out of date. */
let view = null;
let sessionsCursor = null;

// Elements. Children are nodes or text; text becomes a text node.

function el(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

function showProblem(text) {
  byId("problem").textContent = text;
  byId("problem").hidden = text === "";
}

/** Runs what a control asks for; a failure is told in the page. */
async function attempt(work) {
  try {
    await work();
    showProblem("");
  } catch (error) {
    showProblem(error instanceof TypeError ? "The service is out of reach. Is it running?" : error.message);
  }
}

// The API.

async function api(path, query) {
  const url = new URL("/v1" + path, location.origin);
  for (const [name, value] of Object.entries(query || {})) {
    if (value !== "" && value !== null && value !== undefined) url.searchParams.set(name, value);
  }
  const headers = { Authorization: "Bearer " + sessionStorage.getItem(KEY) };
  const user = sessionStorage.getItem(USER);
  if (user) headers["Threadkeep-User"] = user;
  const response = await fetch(url, { headers, cache: "no-store", credentials: "omit" });
  const body = await response.json().catch(() => null);
  if (response.ok) return body;
  const said = body && body.detail ? body.title + ". " + body.detail : "The service answered " + response.status + ".";
  throw new Error(said + (body && body.requestId ? " (request " + body.requestId + ")" : ""));
}

const sessionPath = (id) => "/sessions/" + encodeURIComponent(id);

// The key.

function showSignedIn() {
  const signedIn = sessionStorage.getItem(KEY) !== null;
  const user = sessionStorage.getItem(USER);
  byId("key-form").hidden = signedIn;
  byId("signed-in").hidden = !signedIn;
  byId("who").textContent = user ? "Sessions of " + user : "Sessions of the tenant";
}

byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(KEY, byId("key").value.trim());
  const user = byId("user").value.trim();
  if (user) sessionStorage.setItem(USER, user);
  attempt(start);
});

byId("forget").addEventListener("click", () => {
  forgetKey();
  history.replaceState(null, "", location.pathname);
  location.reload();
});

function forgetKey() {
  sessionStorage.removeItem(KEY);
  sessionStorage.removeItem(USER);
}

async function start() {
  try {
    await loadSessions(true);
  } catch (error) {
    // A key that was refused is not kept.
    if (!(error instanceof TypeError)) forgetKey();
    throw error;
  } finally {
    showSignedIn();
  }
  byId("key").value = "";
  await followAddress();
}

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
    await Promise.all([loadContext(opened), loadMessages(opened, opened.session.headSeq - PAGE_SIZE)]);
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
  if (next <= session.headSeq) entries.push(gapEntry(next, session.headSeq));
  list.replaceChildren(...entries);
  byId("transcript-note").textContent =
    session.headSeq === 0
      ? "No messages yet."
      : session.id + ": " + count(session.headSeq, "message") + ", " + count(session.messageTokens, "token");
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
  if (context === null || seq > context.atSeq) return { kind: "unknown", label: "" };
  const range = context.omitted.find((omitted) => omitted.fromSeq <= seq && seq <= omitted.throughSeq);
  if (range !== undefined) return { kind: "omitted", label: "left out: " + range.reason };
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
  if (target === null || seq > target.session.headSeq) return;
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
  if (context.summaryPending) blocks.push(el("p", { className: "note" }, "A newer summary is being made."));
  if (rendered !== null) {
    const text = typeof rendered.text === "string" ? rendered.text : JSON.stringify({ ...rendered, meta: undefined }, null, 2);
    blocks.push(el("pre", { tabIndex: 0 }, text));
  } else {
    blocks.push(...summaryBlocks(context.summary), ...recentBlocks(context));
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

function summaryBlocks(summary) {
  if (summary === null) return [el("h3", {}, "Summary"), el("p", { className: "note" }, "There is no summary yet: the chat is short enough to be given word for word.")];
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
  const grown = session.headSeq > target.session.headSeq;
  target.session = session;
  if (grown) await loadMessages(target, Math.max(...target.messages.keys(), session.headSeq - PAGE_SIZE));
  if (view === target) await reloadContext();
}

setInterval(() => {
  if (byId("live").checked && !document.hidden) attempt(refresh);
}, REFRESH_MS);

showSignedIn();
if (sessionStorage.getItem(KEY) !== null) attempt(start);
else byId("key").focus();
`;

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Threadkeep</title>
<link rel="icon" href="data:,">
<style>${STYLE}</style>
</head>
<body>${BODY}<script>${SCRIPT}</script>
</body>
</html>
`;
