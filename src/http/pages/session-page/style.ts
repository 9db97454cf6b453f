/** How the page looks, also in the dark and in a narrow window. */
export const STYLE = `
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
