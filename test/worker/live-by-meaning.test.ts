import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { AppendResult } from "../../src/api/append.ts";
import type { Context, ContextRequest } from "../../src/api/context.ts";
import type { QueryMeaning } from "../../src/api/embedding.ts";
import type { AnswerFrame, ErrorFrame } from "../../src/api/live.ts";
import { sessionName } from "../../src/api/session.ts";
import { FanOut } from "../../src/session/fan-out.ts";
import { OwnFeed } from "../../src/session/live/own-feed.ts";
import { ChatSession } from "../../src/session/object.ts";
import {
  evictDurableObject,
  follow,
  freshRef,
  type LiveClient,
  rememberIn,
  runInDurableObject,
  said,
  sessionAt,
  type SessionRef,
  stubAt,
  TINY_MODEL,
  tinyVector,
  until,
  unwrap,
} from "../support/session.ts";

afterEach(() => vi.restoreAllMocks());

const QUERY = "Which puppy is it?";
const TEXTS = ["A beagle came to live here", "The harbour has a crane"];
/** So few that no message but those that are retrieved is in the context beside the newest ones. */
const REQUEST = { query: QUERY, maxTokens: 1_000 } satisfies ContextRequest;

/** A model that answers when the test lets it. */
class ScriptedModel {
  readonly asked: { readonly text: string; readonly user: string | null }[] = [];
  readonly #waiting: ((meaning: QueryMeaning) => void)[] = [];

  readonly meaningOf = (_tenant: string, text: string, user: string | null): Promise<QueryMeaning> => {
    this.asked.push({ text, user });
    return new Promise((resolve) => void this.#waiting.push(resolve));
  };

  /** Answers the oldest query. */
  answer(meaning: QueryMeaning = { model: TINY_MODEL, vector: tinyVector(QUERY) }): void {
    const resolve = this.#waiting.shift();
    if (resolve === undefined) throw new Error("no query waits");
    resolve(meaning);
  }
}

interface Frames {
  readonly client: LiveClient;
  readonly model: ScriptedModel;
  readonly object: ChatSession | FanOut;
  /** Hands a frame to the object, and resolves once it is answered. */
  send(frame: object): Promise<void>;
}

/**
 * A chat with vectors, and an object of it that has a model: the one of the test run has none. It is created on the same
 * storage, with the same sockets.
 * @param sender changes what the object knows of the frames' sender
 */
async function withModel(
  body: (frames: Frames) => Promise<void>,
  { sender = {}, isFannedOut = false }: { sender?: object; isFannedOut?: boolean } = {},
): Promise<SessionRef> {
  const ref = freshRef();
  await rememberIn(ref, TEXTS, true);
  if (isFannedOut) vi.spyOn(OwnFeed.prototype, "maxSockets", "get").mockReturnValue(0);
  const client = await follow(ref);
  await client.find("hello", ({ type }) => type === "hello");
  const model = new ScriptedModel();
  const run = async (state: DurableObjectState, Kind: typeof ChatSession | typeof FanOut): Promise<void> => {
    const [socket] = state.getWebSockets();
    if (socket === undefined) throw new Error("the object has no socket");
    socket.serializeAttachment({ ...socket.deserializeAttachment(), ...sender });
    const object = new Kind(state, env, () => model.meaningOf);
    const send = (frame: object): Promise<void> => object.webSocketMessage(socket, JSON.stringify(frame));
    await body({ client, model, object, send });
  };
  if (isFannedOut) {
    const fanOut = env.FAN_OUT.getByName(`${sessionName(ref)}/0`);
    await runInDurableObject(fanOut, (_, state) => run(state, FanOut));
  } else {
    await runInDurableObject(stubAt(ref), (_, state) => run(state, ChatSession));
    // The object of the test run does not know what the other one wrote.
    await evictDurableObject(stubAt(ref));
  }
  return ref;
}

const answersOf = ({ frames }: LiveClient): (AnswerFrame | ErrorFrame)[] =>
  frames.filter((frame): frame is AnswerFrame | ErrorFrame => frame.type === "answer" || frame.type === "error");
const idsOf = (client: LiveClient): unknown[] => answersOf(client).map(({ id }) => id);

async function answerTo<T>(client: LiveClient, id: string): Promise<T> {
  await until(`the answer to ${id}`, async () => idsOf(client).includes(id));
  const answer = answersOf(client).find((frame) => frame.id === id);
  if (answer?.type !== "answer") throw new Error(`refused: ${JSON.stringify(answer)}`);
  return answer.result as T;
}

const isAsked = (model: ScriptedModel, count: number): Promise<void> =>
  until(`${count} queries`, async () => model.asked.length === count);

describe.each([
  ["the session's object", false],
  ["a fan-out object", true],
])("a frame with a query, on a socket of %s, with embeddings", (_name, isFannedOut) => {
  it("finds by meaning what a request finds, and says how it searched", async () => {
    let result: Context | undefined;
    const ref = await withModel(
      async ({ client, model, send }) => {
        const sent = send({ type: "context", id: "c1", ...REQUEST });
        await isAsked(model, 1);
        expect(model.asked).toEqual([{ text: QUERY, user: null }]);
        expect(answersOf(client)).toEqual([]);
        model.answer();
        await sent;
        result = await answerTo<Context>(client, "c1");
      },
      { isFannedOut },
    );
    expect(result?.retrieval).toEqual({ by: "words-and-meaning" });
    expect(result?.retrieved[0]?.message.seq).toBe(1);
    const requested = await sessionAt(ref).context(REQUEST, undefined, {
      model: TINY_MODEL,
      vector: tinyVector(QUERY),
    });
    expect(result).toEqual(unwrap(requested));
  });

  it("delays no other frame: an append is stored at once, and its context shows the moment at which it was handled", async () => {
    await withModel(
      async ({ client, model, send }) => {
        const context = { query: "auto", format: "openai-chat" } as const;
        const first = send({ type: "append", id: "a1", messages: [said(QUERY, "asked")], context });
        await isAsked(model, 1);
        const asked = send({ type: "context", id: "c1", ...REQUEST });
        await isAsked(model, 2);
        await send({ type: "append", id: "a2", messages: [said("And a later one.", "later")] });
        expect(model.asked.map(({ text }) => text)).toEqual([QUERY, QUERY]);
        expect(await answerTo<AppendResult>(client, "a2")).toMatchObject({ headSeq: 8, messages: [{ seq: 8 }] });
        expect(idsOf(client)).toEqual(["a2"]);
        model.answer();
        await first;
        const { context: made, ...stored } = await answerTo<AppendResult>(client, "a1");
        expect(stored).toMatchObject({ headSeq: 7, messages: [{ id: "asked", seq: 7, created: true }] });
        expect(made).toMatchObject({ meta: { retrieval: { by: "words-and-meaning" } } });
        expect(JSON.stringify(made)).toContain(TEXTS[0]);
        expect(JSON.stringify(made)).not.toContain("And a later one.");
        model.answer();
        await asked;
        const read = await answerTo<Context>(client, "c1");
        expect(read).toMatchObject({ atSeq: 7, headSeq: 8, retrieval: { by: "words-and-meaning" } });
      },
      { isFannedOut },
    );
  });

  it("searches by words if the vector is late or cannot be had, and says why", async () => {
    await withModel(
      async ({ client, model, send }) => {
        for (const [at, because] of (["late", "unavailable", "budget"] as const).entries()) {
          const sent = send({ type: "context", id: because, ...REQUEST });
          await isAsked(model, at + 1);
          model.answer({ without: because });
          await sent;
          expect((await answerTo<Context>(client, because)).retrieval).toEqual({ by: "words", because });
        }
      },
      { isFannedOut },
    );
  });

  it("asks for no vector for a sender who may not read, and counts the queries of a user by their name", async () => {
    const counted = { tier: "user", name: "user:ada" };
    await withModel(
      async ({ client, model, send }) => {
        await send({ type: "context", id: "c1", ...REQUEST });
        await until("it is refused", async () => idsOf(client).includes("c1"));
        expect(answersOf(client)).toMatchObject([{ type: "error", id: "c1", error: { code: "forbidden" } }]);
        expect(model.asked).toEqual([]);
      },
      { isFannedOut, sender: { scopes: ["memory:write"] } },
    );
    await withModel(
      async ({ model, send }) => {
        const sent = send({ type: "context", id: "c1", ...REQUEST });
        await isAsked(model, 1);
        expect(model.asked).toEqual([{ text: QUERY, user: "test/user:ada" }]);
        model.answer();
        await sent;
      },
      { isFannedOut, sender: { counted } },
    );
  });
});

describe("a frame that waits for a vector", () => {
  it("gets no answer if the session is erased meanwhile, and its socket is closed with 4404", async () => {
    await withModel(async ({ client, model, object, send }) => {
      const sent = send({ type: "append", id: "a1", messages: [said(QUERY)], context: { query: QUERY } });
      await isAsked(model, 1);
      if (object instanceof ChatSession) unwrap(await object.erase());
      model.answer();
      await sent;
      await until("it is closed", async () => client.closed() !== null);
      expect(client.closed()).toMatchObject({ code: 4404 });
      expect(answersOf(client)).toMatchObject([{ type: "error", error: { code: "session_not_found" } }]);
      expect(idsOf(client)).toEqual([undefined]);
    });
  });
});
