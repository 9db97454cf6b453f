/** What stands in the page before anything is read. */
export const BODY = `
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
