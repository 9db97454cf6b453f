import { describe, expect, it } from "vitest";
import { MAX_MESSAGE_BYTES } from "../../src/api/limits.ts";
import type { Content, NewMessage } from "../../src/api/message.ts";
import { jsonBytes } from "../../src/api/text.ts";
import {
  creationOf,
  eventsOf,
  follow,
  forkOf,
  freshRef,
  sessionAt,
  until,
  unwrap,
  valueSizes,
} from "../support/session.ts";

/** SQLite in an object accepts no larger value. */
const MAX_VALUE_BYTES = 2_000_000;
/** A photo that fills a message, whose bytes differ. */
const PHOTO = `/9j/${Array.from({ length: 400_000 }, (_, at) => at.toString(36).padStart(10, "A")).join("")}`.slice(
  0,
  4_000_000,
);

function withPhoto(id: string): NewMessage {
  return { id, role: "user", content: [{ type: "file", mediaType: "image/jpeg", data: PHOTO }] };
}

describe("messages of four megabytes", () => {
  it("are stored, copied and read whole, and no value of the database is too large", async () => {
    const ref = freshRef();
    const words = `${"記憶".repeat(MAX_MESSAGE_BYTES / 6 - 2)}.`;
    const messages = [withPhoto("photo"), { id: "words", role: "user", content: words } as const, withPhoto("again")];
    const said: Content[] = messages.map(({ content }) => content);
    const creation = creationOf(ref, { summarizeAfterTokens: 1_000_000, summarizeAfterIdleSeconds: null });
    for (const message of messages) unwrap(await sessionAt(ref).append({ messages: [message] }, creation));
    const repeated = unwrap(await sessionAt(ref).append({ messages }, null));
    expect(repeated.messages.map(({ created }) => created)).toEqual([false, false, false]);
    const client = await follow(ref, 0);
    const sizes = await valueSizes(ref, async (session) => {
      const page = unwrap(await session.messages({ afterSeq: 0, limit: 100 }));
      expect([page.data.length, page.nextCursor]).toEqual([1, "1"]);
      const context = unwrap(await session.context({ maxTokens: 200_000 }));
      // The newest photo fits, and the one before the text exceeds the budget.
      expect(jsonBytes(context)).toBeGreaterThan(PHOTO.length);
      unwrap(await session.editMessage("photo", { content: "no photo" }));
      unwrap(await session.eraseMessage("words"));
    });
    expect(sizes.largest).toBeLessThan(MAX_VALUE_BYTES);
    await until("the feed told the first", async () => eventsOf(client).length > 0);
    expect(eventsOf(client)[0]).toMatchObject({ type: "appended", message: { id: "photo" } });
    const left = await Promise.all(["photo", "words", "again"].map((id) => sessionAt(ref).message(id)));
    expect(left.map((each) => unwrap(each).content)).toEqual(["no photo", "", said[2]]);
    const fork = await forkOf(ref);
    expect(unwrap(await sessionAt(fork).message("again")).content).toEqual(said[2]);
  });
});
