import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { ImportState } from "../../src/api/transfer.ts";
import { sendRaw } from "../../tools/fuzz-api/raw-http.ts";
import { call, eventually, sharedService } from "../support/service.ts";
import { endOf, messageLine, sessionLine } from "../support/transfer-file.ts";

const service = sharedService();
const COUNT = 20_000;
const lines = { "content-type": "application/x-ndjson" };

interface State {
  headSeq: number;
  status: string;
  messageTokens: number;
  summaryPending: boolean;
}

async function longChat(): Promise<string> {
  const id = `long-${crypto.randomUUID()}`;
  await call(service, "POST", "/v1/sessions", {
    body: { id, settings: { maxTokens: 1_000_000, summarizeAfterTokens: 600_000, keepRecentTokens: 4_000 } },
  });
  for (let from = 1; from <= COUNT; from += 100) {
    const messages = Array.from({ length: 100 }, (_, index) => ({
      id: `m-${from + index}`,
      role: index % 2 === 0 ? "user" : "assistant",
      content: `Turn ${from + index}: crate ${7_000 + from + index} leaves on Tuesday. ${"It is heavy and blue. ".repeat(5)}`,
    }));
    const append = await call(service, "POST", `/v1/sessions/${id}/messages`, { body: { messages } });
    expect(append.status).toBe(201);
  }
  return id;
}

function stream(path: string, body?: ReadableStream<Uint8Array>): Promise<Response> {
  return fetch(`${service.url}${path}`, {
    method: body === undefined ? "GET" : "POST",
    headers: { authorization: `Bearer ${service.apiKey}`, ...lines },
    ...(body === undefined ? {} : { body, duplex: "half" }),
  });
}

/** The content of an export, without the session's id in its first line. */
async function digestOf(id: string): Promise<{ digest: string; bytes: number }> {
  const { body } = await stream(`/v1/sessions/${id}/export`);
  if (body === null) throw new Error("no body");
  const hash = createHash("sha256");
  let bytes = 0;
  let isFirst = true;
  for await (const chunk of body) {
    const text: Uint8Array = isFirst
      ? Buffer.from(Buffer.from(chunk).toString("latin1").replace(id, "ID"), "latin1")
      : chunk;
    isFirst = false;
    hash.update(text);
    bytes += text.byteLength;
  }
  return { digest: hash.digest("hex"), bytes };
}

async function state(id: string): Promise<State> {
  return (await call<State>(service, "GET", `/v1/sessions/${id}`)).body;
}

describe(`a session of ${COUNT} messages`, () => {
  it("goes from an export straight into an import, and is exported again byte by byte the same; a fork has all of it", async () => {
    const id = await longChat();
    const copy = `${id}-copy`;
    await eventually("no summary is on its way", async () => ((await state(id)).summaryPending ? undefined : true));
    const exported = await stream(`/v1/sessions/${id}/export`);
    expect(exported.headers.get("content-type")).toBe("application/x-ndjson; charset=utf-8");
    if (exported.body === null) throw new Error("no body");
    const imported = await stream(`/v1/import?sessionId=${copy}`, exported.body);
    expect(await imported.json()).toMatchObject({ id: copy, messages: COUNT, summaries: 1, droppedItems: 0 });
    expect(imported.status).toBe(201);
    const [source, target] = [await digestOf(id), await digestOf(copy)];
    expect(source.bytes).toBeGreaterThan(COUNT * 200);
    expect(target).toEqual(source);

    const fork = await call<State & { id: string }>(service, "POST", `/v1/sessions/${id}/fork`, {
      body: { id: `${id}-fork` },
    });
    expect([201, 202]).toContain(fork.status);
    const whole = await eventually("the fork is whole", async () => {
      const now = await state(fork.body.id);
      return now.status === "active" ? now : undefined;
    });
    expect(whole).toMatchObject({ headSeq: COUNT, messageTokens: (await state(id)).messageTokens });

    const erased = await call(service, "DELETE", `/v1/sessions/${id}`);
    expect(erased.status).toBe(202);
    const last = await eventually(
      "the fork notes the erasure",
      async () => {
        const { body } = await call<{ erased?: boolean }>(
          service,
          "GET",
          `/v1/sessions/${fork.body.id}/messages/m-${COUNT}`,
        );
        return body.erased === true ? body : undefined;
      },
      60_000,
    );
    expect(last).toMatchObject({ content: "" });
    expect(await state(copy)).toMatchObject({ headSeq: COUNT });
  }, 180_000);

  it("survives a reader that leaves half way, and a sender whose connection breaks", async () => {
    const id = `brief-${crypto.randomUUID()}`;
    const messages = Array.from({ length: 100 }, (_, index) => ({ role: "user", content: `${index} `.repeat(4_000) }));
    for (let part = 0; part < 20; part += 1) {
      await call(service, "POST", `/v1/sessions/${id}/messages`, {
        body: { messages: messages.slice(part * 5, part * 5 + 5) },
      });
    }
    const { body } = await stream(`/v1/sessions/${id}/export`);
    const reader = body?.getReader();
    const first = await reader?.read();
    expect(first?.value?.byteLength).toBeGreaterThan(0);
    await reader?.cancel();

    const file = (await call(service, "GET", `/v1/sessions/${id}/export`)).text;
    const half = new TextEncoder().encode(file.slice(0, file.length / 2));
    const broken = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(half),
      pull: (controller) => controller.error(new Error("the line is cut")),
    });
    await stream(`/v1/import?sessionId=${id}-broken`, broken).catch(() => undefined);
    await eventually("nothing of it is left", async () => {
      const answer = await call(service, "GET", `/v1/sessions/${id}-broken`);
      return answer.status === 404 ? true : undefined;
    });
    const again = await call(service, "POST", `/v1/import?sessionId=${id}-broken`, { body: file, headers: lines });
    expect(again).toMatchObject({ status: 201, body: { messages: 100 } });
  }, 60_000);

  it("continues in parts from the last complete line, after a connection broke in the middle of a line", async () => {
    const id = `parts-${crypto.randomUUID()}`;
    const messages = Array.from({ length: 250 }, (_, index) => messageLine(index + 1, `Message ${index + 1}.`));
    const path = `/v1/sessions/${id}/imports`;
    const textOf = (of: readonly object[]): string => of.map((line) => `${JSON.stringify(line)}\n`).join("");
    const begun = await call(service, "POST", path, { body: { id: "move", session: sessionLine() } });
    expect(begun).toMatchObject({ status: 202, body: { throughLine: 1 } });
    const text = Buffer.from(textOf(messages));
    await sendRaw(service.url, {
      method: "POST",
      path: `${path}/move/lines?afterLine=1`,
      headers: [["Authorization", `Bearer ${service.apiKey}`], ...Object.entries(lines)],
      body: text.subarray(0, Math.floor(text.byteLength * 0.9)),
      cutOff: "length",
    });
    const at = await eventually("the lines before the break are in", async () => {
      const { body } = await call<ImportState>(service, "GET", `${path}/move`);
      return body.throughLine !== null && body.throughLine > 100 ? body.throughLine : undefined;
    });
    expect(at).toBeLessThan(251);
    expect((await state(id)).status).toBe("copying");
    const rest = textOf([...messages.slice(at - 1), endOf(messages)]);
    const sent = await call(service, "POST", `${path}/move/lines?afterLine=${at}`, { body: rest, headers: lines });
    expect(sent).toMatchObject({ status: 200, body: { messages: 250 } });
    expect(await call(service, "POST", `${path}/move/complete`)).toMatchObject({
      status: 201,
      body: { messages: 250 },
    });
    expect(await state(id)).toMatchObject({ headSeq: 250 });
  });
});
