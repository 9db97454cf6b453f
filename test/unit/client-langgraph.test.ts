import { AIMessage, HumanMessage } from "@langchain/core/messages";
import { MessagesAnnotation, START, StateGraph } from "@langchain/langgraph";
import { expect, it } from "vitest";
import { z } from "zod";
import { type ClientOptions, createClient, type Threadkeep } from "../../client/src/index.ts";
import { ThreadkeepSaver } from "../../client/src/langgraph/saver.ts";

const appendSchema = z.object({ messages: z.array(z.looseObject({ id: z.string() })) });

/** A service that keeps logs in memory, as far as a checkpointer needs it, and counts the bytes sent to it. */
function memoryService(options: Partial<ClientOptions> = {}): { client: Threadkeep; sentBytes: () => number } {
  const logs = new Map<string, (object & { id: string; seq: number })[]>();
  let sentBytes = 0;
  const notFound = { type: "/", title: "t", status: 404, code: "session_not_found", detail: "d", requestId: "r" };
  const fetch = async (url: string, { method, body }: RequestInit): Promise<Response> => {
    const { pathname, searchParams } = new URL(url);
    const [, , , id = "", what] = pathname.split("/");
    sentBytes += typeof body === "string" ? body.length : 0;
    if (id === "") return Response.json({ id: "s" });
    if (method === "POST" && what === "messages") {
      const log = logs.get(id) ?? [];
      logs.set(id, log);
      const { messages } = appendSchema.parse(JSON.parse(String(body)));
      const appended = messages.map((message) => {
        const known = log.find((stored) => stored.id === message.id);
        if (known === undefined) log.push({ ...message, seq: log.length + 1 });
        return { id: message.id, seq: known?.seq ?? log.length, created: known === undefined };
      });
      return Response.json({ messages: appended, headSeq: log.length });
    }
    const log = logs.get(id);
    if (log === undefined) return Response.json(notFound, { status: 404 });
    const from = Number(searchParams.get("afterSeq") ?? 0);
    const data = log.slice(from, from + Number(searchParams.get("limit") ?? 20));
    const end = from + data.length;
    return Response.json({ data, hasMore: end < log.length, nextCursor: end < log.length ? String(end) : null });
  };
  return {
    client: createClient({ url: "http://memory.test", key: "k", fetch, ...options }),
    sentBytes: () => sentBytes,
  };
}

const chatGraph = (checkpointer: ThreadkeepSaver) =>
  new StateGraph(MessagesAnnotation)
    .addNode("model", () => ({ messages: [new AIMessage("It is warm in Lisbon today. ".repeat(10))] }))
    .addEdge(START, "model")
    .compile({ checkpointer });

it("sends as many bytes in turn 200 of a graph's chat as in turn 5, including turns for other frameworks", async () => {
  const { client, sentBytes } = memoryService();
  const graph = chatGraph(new ThreadkeepSaver({ client, turns: "messages" }));
  const answer = "It is warm in Lisbon today. ".repeat(10);
  const asked = (turn: number) => new HumanMessage(`Question ${1_000 + turn}: how warm is it?`);
  /** Bytes that the last of this many turns sends; all but the last five of the others were stored at once. */
  const bytesOfTurn = async (count: number): Promise<number> => {
    const config = { configurable: { thread_id: `${1_000 + count}` } };
    const turns = Array.from({ length: count - 5 }, (_, at) => [asked(at), new AIMessage(answer)]);
    if (turns.length > 0) await graph.updateState(config, { messages: turns.flat() });
    let before = 0;
    for (let turn = turns.length + 1; turn <= count; turn += 1) {
      before = sentBytes();
      await graph.invoke({ messages: [asked(turn)] }, config);
    }
    const bytes = sentBytes() - before;
    const { values } = await graph.getState(config);
    expect(values.messages).toHaveLength(2 * count);
    // Another process, which reads everything anew, has the same state.
    expect((await chatGraph(new ThreadkeepSaver({ client })).getState(config)).values).toEqual(values);
    return bytes;
  };
  const [early, late] = [await bytesOfTurn(5), await bytesOfTurn(200)];
  expect(late).toBeLessThan(early * 1.05);
  // In turn 200 the state has 400 messages.
  expect(late).toBeLessThan(10_000);
});
