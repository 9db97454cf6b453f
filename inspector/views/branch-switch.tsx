/** "2 of 3": switches between several messages that follow the same one. */

import type { Message } from "../../src/api/message.ts";
import { ask, sessionPath } from "../api.ts";
import type { OpenedSession } from "../state/opened-session.ts";
import { attempt } from "../state/problem.ts";
import { may } from "../state/sign-in.ts";

export function BranchSwitch({ session, message }: { session: OpenedSession; message: Message }) {
  const { siblings, seq } = message;
  if (siblings === undefined || siblings.length < 2) return null;
  const at = siblings.findIndex((sibling) => sibling.seq === seq);
  const to = (step: number) => {
    const headSeq = siblings[at + step]?.headSeq;
    return headSeq === undefined || !may("memory:write") || session.atSeq.value !== null
      ? undefined
      : () => switchTo(headSeq);
  };
  async function switchTo(headSeq: number): Promise<void> {
    await attempt(async () => {
      await ask("PUT", `${sessionPath(session.id)}/branch`, { body: { headSeq } });
      session.invalidate();
      session.refresh();
    });
  }
  return (
    <span class="branch-switch">
      <button
        type="button"
        class="quiet"
        disabled={to(-1) === undefined}
        onClick={to(-1)}
        aria-label="The wording before"
      >
        ‹
      </button>
      <span>
        {at + 1} of {siblings.length}
      </span>
      <button type="button" class="quiet" disabled={to(1) === undefined} onClick={to(1)} aria-label="The next wording">
        ›
      </button>
    </span>
  );
}
