import { z } from "zod";
import { type ClientOptions, createClient, type Threadkeep } from "../../client/src/index.ts";

const appendSchema = z.object({ messages: z.array(z.looseObject({ id: z.string() })) });

/** A service that holds logs in memory, as far as a checkpointer asks for them, and counts what is sent to it. */
export function memoryService(options: Partial<ClientOptions> = {}): { client: Threadkeep; sentBytes: () => number } {
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
