import { emptyCheckpoint, uuid6 } from "@langchain/langgraph-checkpoint";
import { deltaChannelHistoryTests, validate } from "@langchain/langgraph-checkpoint-validation";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ThreadkeepSaver } from "../../client/src/langgraph/saver.ts";
import { workerClient } from "../support/worker-client.ts";

// LangGraph's suite uses the globals that vitest provides with `globals`.
Object.assign(globalThis, { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it });

const suite = {
  checkpointerName: "threadkeep-client/langgraph",
  createCheckpointer: () => new ThreadkeepSaver({ client: workerClient() }),
};
// Its tests of lists depend on their order.
describe("by the suite of LangGraph", { shuffle: false }, () => {
  validate(suite);
  deltaChannelHistoryTests(suite);
});

const METADATA = { source: "loop", step: 0, parents: {} } as const;
const rootOf = (thread_id: string) => ({ configurable: { thread_id, checkpoint_ns: "" } });

/** A checkpoint of a chat, stored after another one. */
async function putChat(saver: ThreadkeepSaver, parent: object, messages: unknown, version: number) {
  const versions = { messages: version };
  const checkpoint = {
    ...emptyCheckpoint(),
    id: uuid6(version),
    channel_values: { messages },
    channel_versions: versions,
  };
  return await saver.put(parent, checkpoint, METADATA, versions);
}
const chatOf = async (saver: ThreadkeepSaver, config: object): Promise<unknown> =>
  (await saver.getTuple(config))?.checkpoint.channel_values["messages"];

describe("the checkpointer of LangGraph", () => {
  it("restores each version of a list, however it has changed, also in another process", async () => {
    const client = workerClient();
    const saver = new ThreadkeepSaver({ client });
    const long = "a word ".repeat(200_000);
    const versions: unknown[] = [
      [],
      [{ id: 1 }],
      [{ id: 1 }, { id: 2 }, "text", 3, true],
      [{ id: 1 }, { id: 2, edited: true }],
      [{ id: 1 }, { id: 2, edited: true }, { id: 3 }],
      [{ id: 3 }],
      "no list any more",
      [{ id: 3 }, null],
      [{ id: 3 }, new Uint8Array([0, 255])],
      [{ id: 3 }, { large: long }, { large: long, other: long }],
      [{ id: 3 }, { large: long }, { id: 4 }],
    ];
    let config: object = rootOf("t");
    const configs: object[] = [];
    for (const [at, messages] of versions.entries()) {
      config = await putChat(saver, config, messages, at + 1);
      configs.push(config);
    }
    for (const one of [saver, new ThreadkeepSaver({ client })]) {
      for (const [at, messages] of versions.entries()) expect(await chatOf(one, configs[at] ?? {})).toEqual(messages);
      expect(await chatOf(one, rootOf("t"))).toEqual(versions.at(-1));
    }
  });

  it("keeps two branches apart that write the same version of a channel", async () => {
    const client = workerClient();
    const saver = new ThreadkeepSaver({ client });
    const first = await putChat(saver, rootOf("t"), ["one"], 1);
    const left = await putChat(saver, first, ["one", "left"], 2);
    const right = await putChat(saver, first, ["one", "right"], 2);
    for (const one of [saver, new ThreadkeepSaver({ client })]) {
      expect(await chatOf(one, left)).toEqual(["one", "left"]);
      expect(await chatOf(one, right)).toEqual(["one", "right"]);
    }
  });

  it("sees what another process writes, deletes and creates again", async () => {
    const client = workerClient();
    const [one, other] = [new ThreadkeepSaver({ client }), new ThreadkeepSaver({ client })];
    const first = await putChat(one, rootOf("t"), ["one"], 1);
    expect(await chatOf(other, rootOf("t"))).toEqual(["one"]);
    const second = await putChat(other, first, ["one", "two"], 2);
    await putChat(one, second, ["one", "two", "three"], 3);
    expect(await chatOf(other, rootOf("t"))).toEqual(["one", "two", "three"]);
    await other.deleteThread("t");
    expect(await chatOf(one, rootOf("t"))).toBeUndefined();
    await putChat(other, rootOf("t"), ["anew"], 1);
    expect(await chatOf(one, rootOf("t"))).toEqual(["anew"]);
    await putChat(one, rootOf("u"), ["u"], 1);
    const listed: unknown[] = [];
    for await (const { checkpoint } of other.list({})) listed.push(checkpoint.channel_values["messages"]);
    expect(listed).toEqual([["u"], ["anew"]]);
  });

  it("leaves nothing to summarize, and nothing for a prompt", async () => {
    const client = workerClient();
    const saver = new ThreadkeepSaver({ client });
    await putChat(saver, rootOf("t"), ["one"], 1);
    const session = client.session("langgraph.t");
    expect((await session.state()).messageTokens).toBeLessThan(10);
    expect((await session.context({ format: "openai-chat" })).messages).toEqual([]);
  });
});
