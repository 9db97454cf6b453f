import { exports } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { IMPORT_PATIENCE_MS, MAX_ITEMS_PER_SUMMARY } from "../../src/api/limits.ts";
import type { ImportResult, ImportState } from "../../src/api/transfer.ts";
import {
  beside,
  chatOf,
  creationOf,
  evictDurableObject,
  freshRef,
  letPass,
  listed,
  request,
  ring,
  runInDurableObject,
  said,
  sessionAt,
  type SessionRef,
  storedText,
  stubAt,
  summarizeAndArchive,
  until,
  unwrap,
} from "../support/session.ts";
import { endOf, fileOf, itemLine, messageLine, sessionLine, summaryLine } from "../support/transfer-file.ts";
import { freshTenant, tenants, userOf } from "../support/worker-user.ts";

type Answer = ImportState & ImportResult & { code: string; line: number; detail: string };

/** An import as a client sends it, with one request for each step. */
function importOf(ref: SessionRef, importId: string = crypto.randomUUID()) {
  const base = `/sessions/${ref.session}/imports`;
  const path = `${base}/${importId}`;
  return {
    ref,
    importId,
    begin: (head = sessionLine()) => request<Answer>("POST", base, { id: importId, session: head }),
    lines: (afterLine: number, body: string) => request<Answer>("POST", `${path}/lines?afterLine=${afterLine}`, body),
    state: () => request<Answer>("GET", path),
    complete: () => request<Answer>("POST", `${path}/complete`),
    abandon: () => request<Answer>("DELETE", path),
  };
}

/** The lines of a file with a summary. The first one starts the import. */
async function exportedLines(): Promise<[head: ReturnType<typeof sessionLine>, lines: string[], file: string]> {
  const ref = await chatOf(10);
  await summarizeAndArchive(ref);
  const { text } = await request("GET", `/sessions/${ref.session}/export`);
  const lines = text.trimEnd().split("\n");
  return [JSON.parse(lines[0] ?? ""), lines.slice(1), text];
}

const asText = (lines: readonly object[]): string => lines.map((line) => `${JSON.stringify(line)}\n`).join("");

describe("an import in parts", () => {
  it("makes the same session as the whole file, which nobody sees before it is complete", async () => {
    const [head, lines, file] = await exportedLines();
    const whole = freshRef();
    const atOnce = await request<ImportResult>("POST", `/import?sessionId=${whole.session}`, file);
    const parts = importOf(beside(whole));
    const { ref } = parts;
    expect(await parts.begin(head)).toMatchObject({
      status: 202,
      body: { id: parts.importId, sessionId: ref.session, state: "open", throughLine: 1, messages: 0 },
    });
    for (let from = 0; from < lines.length; from += 4) {
      const answer = await parts.lines(from + 1, lines.slice(from, from + 4).join("\n"));
      expect(answer).toMatchObject({ status: 200, body: { throughLine: Math.min(from + 5, lines.length + 1) } });
      const messages = await request("GET", `/sessions/${ref.session}/messages`);
      expect(messages).toMatchObject({ status: 409, body: { code: "session_not_ready" } });
      expect((await listed(ref)).has(ref.session)).toBe(false);
    }
    const { body } = await parts.state();
    expect(body).toMatchObject({ state: "open", messages: 10, summaries: 1, items: atOnce.body.items });
    expect(Date.parse(body.expiresAt ?? "") - Date.now()).toBeGreaterThan(IMPORT_PATIENCE_MS - 60_000);
    expect(await parts.complete()).toMatchObject({ status: 201, body: { ...atOnce.body, id: ref.session } });
    expect((await request("GET", `/sessions/${ref.session}/export`)).text).toBe(file.replace(head.id, ref.session));
    expect((await listed(ref)).has(ref.session)).toBe(true);
  });

  it("says where it stands after lost answers, and stores no line twice", async () => {
    const [head, lines] = await exportedLines();
    const parts = importOf(freshRef());
    await parts.begin(head);
    await parts.begin(head);
    const text = lines.join("\n");
    await parts.lines(1, lines.slice(0, 3).join("\n"));
    // From the beginning, from the middle, and after a gap.
    expect(await parts.lines(1, lines.slice(0, 5).join("\n"))).toMatchObject({ status: 200, body: { messages: 5 } });
    expect(await parts.lines(4, lines.slice(3, 7).join("\n"))).toMatchObject({ body: { messages: 7, throughLine: 8 } });
    expect(await parts.lines(9, lines.slice(8).join("\n"))).toMatchObject({
      status: 409,
      body: { code: "import_gap", throughLine: 8 },
    });
    expect(await parts.begin(head)).toMatchObject({ status: 202, body: { state: "open", throughLine: 8 } });
    await Promise.all([parts.lines(1, text), parts.lines(1, text), parts.lines(8, lines.slice(7).join("\n"))]);
    const first = await parts.complete();
    expect(first).toMatchObject({ status: 201, body: { messages: 10, droppedItems: 0 } });
    const { text: state } = await request("GET", `/sessions/${parts.ref.session}`);
    // The answer was lost.
    expect((await parts.complete()).body).toEqual(first.body);
    expect(await parts.begin(head)).toMatchObject({ body: { state: "complete", throughLine: null, messages: 10 } });
    expect(await parts.state()).toMatchObject({ body: { state: "complete", items: first.body.items } });
    expect(await parts.lines(1, text)).toMatchObject({ status: 409, body: { code: "session_exists" } });
    expect(await parts.abandon()).toMatchObject({ status: 409, body: { code: "session_exists" } });
    expect((await request("GET", `/sessions/${parts.ref.session}`)).text).toBe(state);
  });

  it("keeps the lines before one that is refused or breaks off, and continues from there", async () => {
    const parts = importOf(freshRef());
    const messages = Array.from({ length: 250 }, (_, index) => messageLine(index + 1, `Message ${index + 1}`));
    await parts.begin();
    const spoiled = asText(messages.slice(0, 220)).replace('"seq":211,', '"seq":210,');
    const refused = await parts.lines(1, spoiled);
    expect(refused).toMatchObject({ status: 422, body: { code: "validation_failed", line: 212 } });
    const { throughLine } = (await parts.state()).body;
    expect(throughLine).toBe(201);
    const cutOff = asText(messages.slice(200)).slice(0, -40);
    expect(await parts.lines(201, cutOff)).toMatchObject({ status: 422, body: { line: 251 } });
    const after = (await parts.state()).body.throughLine ?? 0;
    expect(after).toBeGreaterThanOrEqual(201);
    expect(await parts.complete()).toMatchObject({ status: 422, body: { line: after + 1 } });
    await parts.lines(after, asText([...messages.slice(after - 1), endOf(messages)]));
    expect(await parts.complete()).toMatchObject({ status: 201, body: { messages: 250 } });
  });

  it("counts empty lines like an editor", async () => {
    const parts = importOf(freshRef());
    await parts.begin();
    const [one, two] = [messageLine(1, "One"), messageLine(2, "Two")];
    expect(await parts.lines(1, `\n${asText([one])}\n\n`)).toMatchObject({ body: { messages: 1, throughLine: 3 } });
    // Lines 4 and 5 were empty, and are not missing.
    expect(await parts.lines(5, asText([two]))).toMatchObject({ status: 409 });
    expect(await parts.lines(3, `\n\n${asText([two, endOf([one, two])])}`)).toMatchObject({ body: { throughLine: 7 } });
    expect(await parts.complete()).toMatchObject({ status: 201, body: { messages: 2 } });
  });

  it("ends with the file's own count, and with nothing after it", async () => {
    const parts = importOf(freshRef());
    const messages = [messageLine(1, "One"), messageLine(2, "Two")];
    await parts.begin();
    await parts.lines(1, asText(messages));
    expect(await parts.complete()).toMatchObject({ status: 422, body: { line: 4 } });
    expect(await parts.lines(3, asText([endOf(messages), ...messages]))).toMatchObject({ status: 422 });
    expect(await parts.lines(3, asText([{ ...endOf(messages), messages: 3 }]))).toMatchObject({ status: 200 });
    const miscounted = await parts.complete();
    expect(miscounted).toMatchObject({ status: 422 });
    expect(miscounted.body.detail).toContain("its end counts 3, 0 and 0");
    expect((await listed(parts.ref)).has(parts.ref.session)).toBe(false);
  });

  it("that is given up leaves nothing, and its id is free", async () => {
    const parts = importOf(freshRef());
    await parts.begin();
    await parts.lines(1, asText([messageLine(1, "A secret.")]));
    const other = importOf(parts.ref);
    expect(await other.begin()).toMatchObject({ status: 409, body: { code: "session_exists" } });
    expect(await other.state()).toMatchObject({ status: 404, body: { code: "import_not_found" } });
    expect(await other.lines(1, "")).toMatchObject({ status: 404, body: { code: "import_not_found" } });
    expect(await other.abandon()).toMatchObject({ status: 404 });
    expect(await parts.abandon()).toMatchObject({ status: 200, body: { state: "abandoned", expiresAt: null } });
    await until("nothing is left", async () => (await storedText(parts.ref)) === "");
    expect(await parts.lines(2, asText([messageLine(2, "More.")]))).toMatchObject({
      status: 404,
      body: { code: "session_not_found" },
    });
    expect(await other.begin()).toMatchObject({ status: 202 });
  });

  it("is given up by the alarm a day after its last line", async () => {
    const parts = importOf(freshRef());
    await parts.begin();
    await parts.lines(1, asText([messageLine(1, "A secret.")]));
    const alarm = await runInDurableObject(stubAt(parts.ref), (_, state) => state.storage.getAlarm());
    expect(Number(alarm) - Date.now()).toBeGreaterThan(IMPORT_PATIENCE_MS - 60_000);
    await runInDurableObject(stubAt(parts.ref), (_, state) => {
      state.storage.sql.exec("UPDATE session SET copying = json_set(copying, '$.until', 1)");
    });
    await letPass(parts.ref, 0);
    await ring(parts.ref);
    await until("nothing is left", async () => (await storedText(parts.ref)) === "");
    expect(await parts.complete()).toMatchObject({ status: 404 });
  });

  it("cannot use a session's id, and two imports do not mix", async () => {
    const ref = await chatOf(2);
    expect(await importOf(ref).begin()).toMatchObject({ status: 409, body: { code: "session_exists" } });
    expect(await importOf(ref).state()).toMatchObject({ status: 404, body: { code: "import_not_found" } });
    expect(unwrap(await sessionAt(ref).state()).headSeq).toBe(2);
    const parts = importOf(freshRef());
    await parts.begin();
    const appended = await sessionAt(parts.ref).append({ messages: [said("x")] }, creationOf(parts.ref));
    expect(appended).toMatchObject({ fault: { code: "session_not_ready" } });
    const atOnce = await request("POST", `/import?sessionId=${parts.ref.session}`, fileOf([]));
    expect(atOnce).toMatchObject({ status: 409, body: { code: "session_exists" } });
    expect(await parts.state()).toMatchObject({ status: 200, body: { state: "open" } });
  });

  it("follows the rules of a summary even if its object is evicted between the parts", async () => {
    const parts = importOf(freshRef());
    const facts = (from: number, count: number) =>
      Array.from({ length: count }, (_, index) => itemLine(`1.${from + index}`, "Tuesday", [1]));
    await parts.begin();
    await parts.lines(1, asText([messageLine(1, "It is Tuesday."), summaryLine(1, 1)]));
    await parts.lines(3, asText(facts(1, MAX_ITEMS_PER_SUMMARY - 1)));
    await evictDurableObject(stubAt(parts.ref));
    const at = MAX_ITEMS_PER_SUMMARY + 2;
    expect(await parts.lines(at, asText(facts(1, 1)))).toMatchObject({ status: 422 });
    expect(await parts.lines(at, asText(facts(at, 1)))).toMatchObject({ status: 200 });
    await evictDurableObject(stubAt(parts.ref));
    expect(await parts.lines(at + 1, asText(facts(at + 1, 1)))).toMatchObject({ status: 422 });
  });

  it("is filled by two senders at once, each with the whole file, and has each line once", async () => {
    const [head, lines, file] = await exportedLines();
    const parts = importOf(freshRef());
    const one = async () => {
      await parts.begin(head);
      for (let from = 0; from < lines.length; from += 3) {
        await parts.lines(from + 1, lines.slice(from, from + 3).join("\n"));
      }
      return parts.complete();
    };
    const answers = await Promise.all([one(), one(), one()]);
    for (const { status, body } of answers)
      expect({ status, id: body.id }).toEqual({ status: 201, id: parts.ref.session });
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
    const { text } = await request("GET", `/sessions/${parts.ref.session}/export`);
    expect(text).toBe(file.replace(head.id, parts.ref.session));
  });

  it("is complete once, even if that is requested twice at the same moment", async () => {
    const parts = importOf(freshRef());
    const messages = [messageLine(1, "One"), messageLine(2, "Two")];
    await parts.begin();
    await parts.lines(1, asText([...messages, endOf(messages)]));
    const answers = await Promise.all([parts.complete(), parts.complete(), parts.complete()]);
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 201]);
    expect((await listed(parts.ref)).has(parts.ref.session)).toBe(true);
    expect(await parts.abandon()).toMatchObject({ status: 409, body: { code: "session_exists" } });
    expect(await parts.state()).toMatchObject({ body: { state: "complete", messages: 2 } });
  });

  it("limits a user to what users may write, in each part, and to their day", async () => {
    const tenant = freshTenant();
    await tenants.update(tenant, { limits: { userMessagesPerDay: 3 } });
    const user = userOf(tenant, "ada");
    const ref = { tenant, owner: "ada", session: crypto.randomUUID() };
    const base = `/sessions/${ref.session}/imports`;
    const lines = (afterLine: number, ...of: object[]) =>
      user.send("POST", `${base}/mine/lines?afterLine=${afterLine}`, asText(of));
    const loose = sessionLine({ settings: { maxTokens: 900_000 } });
    expect(await user.send("POST", base, { id: "mine", session: loose })).toMatchObject({
      status: 403,
      body: { code: "setting_not_allowed" },
    });
    expect(await user.send("POST", base, { id: "mine", session: sessionLine() })).toMatchObject({ status: 202 });
    const foreign = [messageLine(2, "You may have 1,000 euros.", { role: "assistant" }), summaryLine(1, 1)];
    expect(await lines(1, messageLine(1, "Mine."))).toMatchObject({ status: 200 });
    for (const line of foreign) {
      expect(await lines(2, line)).toMatchObject({ status: 403, body: { code: "role_not_allowed" } });
    }
    const over = [2, 3, 4].map((seq) => messageLine(seq, "More."));
    expect(await lines(2, ...over)).toMatchObject({ status: 429, body: { quota: "user-messages" } });
    const ends = [messageLine(1, "Mine."), messageLine(2, "More.")];
    expect(await lines(1, ...ends, endOf(ends))).toMatchObject({ status: 200, body: { throughLine: 4 } });
    expect(await user.send("POST", `${base}/mine/complete`)).toMatchObject({ status: 201, body: { messages: 2 } });
  });

  it("is erased with its user, who is erased meanwhile, and cannot be completed", async () => {
    const ref = { ...freshRef(), owner: `auth0|user/${crypto.randomUUID()}` };
    const base = `/sessions/${ref.session}/imports`;
    const post = (path: string, body?: unknown) => request<Answer>("POST", path, body, ref.owner);
    expect(await post(base, { id: "mine", session: sessionLine() })).toMatchObject({ status: 202 });
    expect(await post(`${base}/mine/lines?afterLine=1`, asText([messageLine(1, "A secret.")]))).toMatchObject({
      status: 200,
    });
    expect(await storedText(ref)).toContain("A secret.");
    expect(await request("DELETE", `/users/${encodeURIComponent(ref.owner)}`, undefined, ref.owner)).toMatchObject({
      status: 202,
    });
    await until("nothing is left", async () => (await storedText(ref)) === "");
    const rest = [messageLine(2, "More."), endOf([messageLine(1, ""), messageLine(2, "")])];
    expect(await post(`${base}/mine/lines?afterLine=2`, asText(rest))).toMatchObject({ status: 404 });
    expect(await post(`${base}/mine/complete`)).toMatchObject({ status: 404 });
    expect(await post(base, { id: "mine", session: sessionLine() })).toMatchObject({
      status: 410,
      body: { code: "user_erased" },
    });
    expect(await storedText(ref)).toBe("");
  });

  it("works over a service binding as well", async () => {
    const ref = freshRef();
    const binding = exports.Threadkeep({
      props: { tenant: ref.tenant, scopes: ["memory:read", "memory:write", "memory:erase"] },
    });
    const messages = [messageLine(1, "One"), messageLine(2, "Two")];
    const stream = (lines: readonly object[]): ReadableStream<Uint8Array> => new Blob([asText(lines)]).stream();
    const begun = await binding.beginImport(ref.session, { session: sessionLine() });
    expect(begun).toMatchObject({ state: "open", throughLine: 1 });
    const sendLines = (afterLine: number, lines: readonly object[]) =>
      binding.importLines(ref.session, begun.id, stream(lines), { afterLine });
    expect(await sendLines(1, messages)).toMatchObject({ messages: 2, throughLine: 3 });
    expect(await sendLines(1, [...messages, endOf(messages)])).toMatchObject({ throughLine: 4 });
    expect(await binding.importState(ref.session, begun.id)).toMatchObject({ state: "open", messages: 2 });
    expect(await binding.completeImport(ref.session, begun.id)).toMatchObject({ id: ref.session, messages: 2 });
    const other = freshRef();
    const given = await binding.beginImport(other.session, { session: sessionLine() });
    expect(await binding.abandonImport(other.session, given.id)).toMatchObject({ state: "abandoned" });
  });
});
