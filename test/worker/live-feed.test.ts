import { evictDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import { unwrap } from "../../src/contracts/errors.ts";
import type { Hello } from "../../src/contracts/live.ts";
import { eventsOf, follow } from "../support/worker-live.ts";
import { chatOf, said, sessionAt, stubAt, until } from "../support/worker-session.ts";

describe("a live feed", () => {
  it("says hello, then tells each change with the next rev", async () => {
    const ref = await chatOf(2);
    const client = await follow(ref);
    const hello = await client.find<Hello>("hello", ({ type }) => type === "hello");
    expect(hello).toMatchObject({ type: "hello", headSeq: 2, rev: hello.since });
    const session = sessionAt(ref);
    unwrap(await session.append({ messages: [said("three", "m3"), said("four", "m4")] }, null));
    unwrap(await session.editMessage("m3", { content: "three, mended" }));
    unwrap(await session.eraseMessage("m4"));
    await until("all came", async () => eventsOf(client).length >= 4);
    expect(eventsOf(client)).toMatchObject([
      { type: "appended", rev: hello.rev + 1, message: { id: "m3", seq: 3, content: "three" } },
      { type: "appended", rev: hello.rev + 2, message: { id: "m4", seq: 4, content: "four" } },
      { type: "edited", rev: hello.rev + 3, message: { id: "m3", content: "three, mended" } },
      { type: "erased", rev: hello.rev + 4, seq: 4, throughSeq: 4, id: "m4" },
    ]);
  });

  it("goes on after an eviction where it was", async () => {
    const ref = await chatOf(1);
    const client = await follow(ref);
    await client.find("hello", ({ type }) => type === "hello");
    unwrap(await sessionAt(ref).append({ messages: [said("before")] }, null));
    await evictDurableObject(stubAt(ref));
    unwrap(await sessionAt(ref).append({ messages: [said("after")] }, null));
    await until("both came", async () => eventsOf(client).length >= 2);
    expect(eventsOf(client)).toMatchObject([{ message: { content: "before" } }, { message: { content: "after" } }]);
    expect(client.closed()).toBeNull();
  });
});
