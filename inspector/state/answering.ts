/** A model's answer while it is streamed. */

import { signal } from "@preact/signals";
import type { AnswerLine } from "../../src/api/answer.ts";
import { ApiError, ask, send, sessionPath } from "../api.ts";

export class Answering {
  /** The text so far; null if no model was asked. */
  readonly words = signal<string | null>(null);
  #asked: AbortController | undefined;

  /** Resolves once the answer is appended. Throws if it fails. */
  async ask(sessionId: string): Promise<void> {
    const asked = new AbortController();
    this.#asked = asked;
    this.words.value = "";
    try {
      const path = `/inspector/sessions/${encodeURIComponent(sessionId)}/answer`;
      const response = await send("POST", path, { signal: asked.signal });
      let isAppended = false;
      for await (const line of linesOf(response)) {
        if ("text" in line) this.words.value += line.text;
        else if ("problem" in line) throw new ApiError(0, line.problem.code, line.problem.detail);
        else isAppended = true;
      }
      if (!isAppended) throw new ApiError(0, "unreachable", "The answer was interrupted, and nothing was appended.");
    } finally {
      if (this.#asked === asked) this.words.value = null;
    }
  }

  /**
   * Has the model answer the message `afterSeq` again. The branch that ends with `headSeq` stays beside the new answer,
   * and is active again if there is none.
   */
  async askAnew(sessionId: string, afterSeq: number, headSeq: number): Promise<void> {
    const activate = (seq: number): Promise<unknown> =>
      ask("PUT", `${sessionPath(sessionId)}/branch`, { body: { headSeq: seq } });
    await activate(afterSeq);
    try {
      await this.ask(sessionId);
    } catch (error) {
      await activate(headSeq);
      throw error;
    }
  }

  /** Discards the text so far. The service aborts the model when it sends the next piece. */
  stop(): void {
    this.#asked?.abort();
  }
}

async function* linesOf({ body }: Response): AsyncGenerator<AnswerLine> {
  if (body === null) return;
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) yield JSON.parse(line) as AnswerLine;
  }
}
