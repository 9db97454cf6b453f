import { inject } from "vitest";
import type { Script, Seen, StandInReply } from "./stand-in-model.ts";
import "./provided.ts";

/** A model of the stand-in with its own script, controlled by a test in workerd or in Node. */
export interface ScriptedModel {
  /** The value for THREADKEEP_MODEL_BASE_URL, for both wire formats. */
  readonly baseUrl: string;
  /** The requests so far. */
  requests(): Promise<Seen[]>;
  /** Sets what it does from now on, and the key it accepts then. */
  change(replies: StandInReply[], key?: string): Promise<void>;
}

export async function scriptModel(replies: StandInReply[], key?: string): Promise<ScriptedModel> {
  const name = crypto.randomUUID();
  const address = `${inject("standInModelUrl")}/scripts/${name}`;
  const change = async (next: StandInReply[], nextKey = key): Promise<void> => {
    const script: Script = { replies: next, ...(nextKey === undefined ? {} : { key: nextKey }) };
    await fetch(address, { method: "PUT", body: JSON.stringify(script) });
  };
  await change(replies);
  return {
    change,
    baseUrl: `${inject("standInModelUrl")}/models/${name}`,
    requests: async () => JSON.parse(await (await fetch(address)).text()),
  };
}

/** The parts of a request that a model reads, in one shape for both wire formats. */
export function promptOf({ path, body }: Seen): { system: string; turns: { role: string; text: string }[] } {
  const textOf = (content: unknown): string =>
    typeof content === "string" ? content : (content as { text?: string }[]).map(({ text = "" }) => text).join("");
  const messages = (body["messages"] as { role: string; content: unknown }[]).map(({ role, content }) => ({
    role,
    text: textOf(content),
  }));
  if (path === "messages") return { system: textOf(body["system"]), turns: messages };
  return {
    system: messages
      .filter(({ role }) => role === "system")
      .map(({ text }) => text)
      .join("\n"),
    turns: messages.filter(({ role }) => role !== "system"),
  };
}
