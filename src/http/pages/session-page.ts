/**
 * The page at `/`: pick a session, see its transcript beside what the model gets of it. Read-only, one file on the wire, no framework.
 *
 * Text from a chat reaches the document as text nodes alone, and the page's policy forbids anything else. The key lives in
 * `sessionStorage`, never in a URL. The parts of the script share one scope, and hold no backtick and no dollar-brace, because they
 * stand in templates themselves.
 */

import { pageAnswer } from "./page-answer.ts";
import { BASE_SCRIPT } from "./session-page/base-script.ts";
import { BODY } from "./session-page/body.ts";
import { CONTEXT_SCRIPT } from "./session-page/context-script.ts";
import { KEY_SCRIPT } from "./session-page/key-script.ts";
import { OPENED_SESSION_SCRIPT } from "./session-page/opened-session-script.ts";
import { SESSION_LIST_SCRIPT } from "./session-page/session-list-script.ts";
import { STYLE } from "./session-page/style.ts";
import { TRANSCRIPT_SCRIPT } from "./session-page/transcript-script.ts";
import { VIEWS_SCRIPT } from "./session-page/views-script.ts";

export function answerSessionPage(): Promise<Response> {
  return pageAnswer(PAGE);
}

/** In the order that they run in: what comes first declares what the others do with it at once. */
const SCRIPT = [
  BASE_SCRIPT,
  KEY_SCRIPT,
  SESSION_LIST_SCRIPT,
  OPENED_SESSION_SCRIPT,
  TRANSCRIPT_SCRIPT,
  CONTEXT_SCRIPT,
  VIEWS_SCRIPT,
].join("");

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
