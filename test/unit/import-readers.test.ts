import { describe, expect, it } from "vitest";
import { parseLocomoDate, toIso } from "../../scripts/import/dates.ts";
import { formatOf } from "../../scripts/import/detect-format.ts";
import { type Entry, type Place, showPlace, type Turn } from "../../scripts/import/entry.ts";
import { readAgentMemory } from "../../scripts/import/readers/agent-memory.ts";
import { readChatgpt } from "../../scripts/import/readers/chatgpt.ts";
import { readClaude } from "../../scripts/import/readers/claude.ts";
import { LanggraphReader } from "../../scripts/import/readers/langgraph.ts";
import { readLetta } from "../../scripts/import/readers/letta.ts";
import { readLocomo } from "../../scripts/import/readers/locomo.ts";
import { readOpenai } from "../../scripts/import/readers/openai.ts";
import { readQmsum } from "../../scripts/import/readers/qmsum.ts";
import { ThreadkeepReader } from "../../scripts/import/readers/threadkeep.ts";

const place: Place = { file: "sample.jsonl", line: 3 };

function turns(entries: Iterable<Entry>): Turn[] {
  return [...entries].flatMap((entry) => (entry.kind === "message" ? [entry.turn] : []));
}

function sessions(entries: Iterable<Entry>): string[] {
  return [...new Set([...entries].flatMap((entry) => ("session" in entry ? [entry.session] : [])))];
}

function notes(entries: Iterable<Entry>, kind: "bad" | "warning"): string[] {
  return [...entries].flatMap((entry) => (entry.kind === kind ? [`${showPlace(entry.place)}: ${entry.reason}`] : []));
}

function skipped(entries: Iterable<Entry>): string[] {
  return [...entries].flatMap((entry) => (entry.kind === "skipped" ? [entry.reason] : []));
}

function noted(entries: Iterable<Entry>): string[] {
  return [...entries].flatMap((entry) => (entry.kind === "noted" ? [entry.form] : []));
}

describe("our JSON Lines", () => {
  const readAll = (...lines: unknown[]): Entry[] => {
    const reader = new ThreadkeepReader();
    return lines.flatMap((line, index) => [...reader.read(line, { file: "chat.jsonl", line: index + 1 })]);
  };

  it("read a message with its session, and one without a session by the file's name", () => {
    const entries = readAll(
      { session: "a", id: "1", role: "user", content: "hello", author: "Ada", metadata: { k: 1 } },
      { type: "message", role: "assistant", content: "hi", occurredAt: "2026-01-02T03:04:05Z" },
    );
    expect(sessions(entries)).toEqual(["a", "chat"]);
    expect(turns(entries)).toMatchObject([
      { id: "1", role: "user", content: "hello", author: "Ada", metadata: { k: 1 } },
      { role: "assistant", content: "hi", occurredAt: "2026-01-02T03:04:05Z" },
    ]);
  });

  it("put messages without a session under the session line before them", () => {
    const entries = readAll(
      { type: "session", id: "one", metadata: { title: "One" }, headSeq: 2, summary: null },
      { type: "message", role: "user", content: "x", seq: 1, createdAt: "…", tokens: 3 },
      { type: "session", id: "two" },
      { role: "user", content: "y" },
      { session: "one", role: "user", content: "z" },
    );
    expect(entries.map((entry) => ("session" in entry ? entry.session : ""))).toEqual([
      "one",
      "one",
      "two",
      "two",
      "one",
    ]);
    expect(entries[0]).toMatchObject({ kind: "session", metadata: { title: "One" } });
  });

  it("report a misspelt field instead of losing its value", () => {
    const entries = readAll({ role: "user", content: "x", occuredAt: "2026-01-02T03:04:05Z" });
    expect(notes(entries, "bad")).toEqual(['chat.jsonl:1: has an unknown field "occuredAt"']);
  });

  it("read the messages of an exported session, except erased ones", () => {
    const line = { type: "message", role: "user", createdAt: "2026-01-02T03:04:05Z" };
    const entries = readAll(
      { type: "session", format: "threadkeep-session", formatVersion: 1, id: "one", metadata: {}, settings: {} },
      { ...line, seq: 1, id: "m-1", content: "hello", editedAt: "2026-01-02T03:05:05Z" },
      { ...line, seq: 2, id: "m-2", erasedAt: "2026-01-02T03:06:05Z" },
    );
    expect(turns(entries)).toMatchObject([{ id: "m-1", content: "hello" }]);
    expect(skipped(entries)).toEqual(["erased message"]);
    expect(notes(entries, "bad")).toEqual([]);
  });

  it("leave out erased messages and unknown kinds of lines, and report each differently", () => {
    const entries = readAll(
      { type: "message", id: "e", role: "user", content: "", erased: true },
      { type: "summary", version: 1 },
      [1],
    );
    expect(skipped(entries)).toEqual(["erased message"]);
    expect(notes(entries, "warning")).toEqual(["chat.jsonl:2: is neither a message nor a session: left out"]);
    expect(notes(entries, "bad")).toEqual(["chat.jsonl:3: is not a JSON object"]);
  });

  it("report a session or an id that is not a text", () => {
    const entries = readAll(
      { session: 7, role: "user", content: "x" },
      { id: 7, role: "user", content: "x" },
      { type: "session" },
    );
    expect(notes(entries, "bad")).toEqual([
      "chat.jsonl:1: session must be a text",
      "chat.jsonl:2: id must be a text",
      "chat.jsonl:3: the session line has no id",
    ]);
  });
});

describe("OpenAI-style lines", () => {
  const read = (messages: unknown[], rest: object = {}): Entry[] => [...readOpenai({ messages, ...rest }, place)];

  it("keep plain text as text, and names as authors", () => {
    const entries = read([
      { role: "system", content: "Be brief." },
      { role: "user", content: "Hello", name: "ada" },
      { role: "assistant", content: [{ type: "text", text: "Hi" }] },
      { role: "assistant", content: null },
      { role: "user", content: "  " },
    ]);
    expect(turns(entries)).toMatchObject([
      { role: "system", content: "Be brief." },
      { role: "user", content: "Hello", author: "ada" },
      { role: "assistant", content: [{ type: "text", text: "Hi" }] },
    ]);
    expect(skipped(entries)).toHaveLength(2);
  });

  it("turn tool calls and their results into matching parts", () => {
    const entries = read([
      {
        role: "assistant",
        content: "Let me look.",
        tool_calls: [
          { id: "c1", type: "function", function: { name: "weather", arguments: '{"city":"Turku"}' } },
          { id: "c2", type: "function", function: { name: "note", arguments: "not json" } },
        ],
      },
      { role: "tool", tool_call_id: "c1", content: "12 °C" },
      { role: "tool", content: "lost" },
    ]);
    expect(turns(entries)).toMatchObject([
      {
        role: "assistant",
        content: [
          { type: "text", text: "Let me look." },
          { type: "tool-call", toolCallId: "c1", toolName: "weather", input: { city: "Turku" } },
          { type: "tool-call", toolCallId: "c2", toolName: "note", input: "not json" },
        ],
      },
      {
        role: "tool",
        content: [
          { type: "tool-result", toolCallId: "c1", toolName: "weather", output: { type: "text", value: "12 °C" } },
        ],
      },
    ]);
    expect(notes(entries, "bad")).toEqual(["sample.jsonl:3 (message 3): a tool's result needs tool_call_id"]);
  });

  it("read the old function_call", () => {
    const entries = read([
      { role: "assistant", content: null, function_call: { name: "weather", arguments: "{}" } },
      { role: "function", name: "weather", content: "12 °C" },
    ]);
    expect(turns(entries)).toMatchObject([
      { role: "assistant", content: [{ type: "tool-call", toolCallId: "call-weather" }] },
      { role: "tool", content: [{ type: "tool-result", toolCallId: "call-weather" }] },
    ]);
  });

  it("turn images, audio and files into file parts, and say what cannot be kept", () => {
    const entries = read([
      {
        role: "user",
        content: [
          { type: "text", text: "Look:" },
          { type: "image_url", image_url: { url: "https://example.org/a.png" } },
          { type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } },
          { type: "input_audio", input_audio: { data: "BBBB", format: "wav" } },
          { type: "file", file: { filename: "a.pdf", file_data: "data:application/pdf;base64,CCCC" } },
          { type: "hologram" },
        ],
      },
    ]);
    expect(turns(entries)[0]?.content).toEqual([
      { type: "text", text: "Look:" },
      { type: "file", mediaType: "image/*", data: "https://example.org/a.png" },
      { type: "file", mediaType: "image/png", data: "AAAA" },
      { type: "file", mediaType: "audio/wav", data: "BBBB" },
      { type: "file", mediaType: "application/pdf", data: "CCCC", filename: "a.pdf" },
      { type: "text", text: "[hologram]" },
    ]);
    expect(notes(entries, "warning")).toEqual([
      "sample.jsonl:3 (message 1): content[5] (hologram) cannot be kept; a note stands in its place",
    ]);
  });

  it("name the session by the line, or else by the content", () => {
    const messages = [{ role: "user", content: "Hello" }];
    expect(sessions(read(messages, { conversation_id: "c-9" }))).toEqual(["c-9"]);
    expect(sessions(read(messages))).toEqual(sessions(read(messages)));
    expect(sessions(read(messages))).not.toEqual(sessions(read([{ role: "user", content: "Bye" }])));
  });

  it("report what is broken and continue", () => {
    const entries = read([
      7,
      { role: "user", content: { a: 1 } },
      { role: "assistant", content: null, tool_calls: [{}] },
      { role: "user", content: "ok" },
    ]);
    expect(notes(entries, "bad")).toEqual([
      "sample.jsonl:3 (message 1): is not an object",
      "sample.jsonl:3 (message 2): content must be a text or a list of parts",
      "sample.jsonl:3 (message 3): tool_calls[0] has no function",
    ]);
    expect(turns(entries)).toHaveLength(1);
    expect(notes(readOpenai({ messages: 1 }, place), "bad")).toHaveLength(1);
  });
});

describe("ChatGPT's export", () => {
  const node = (
    id: string,
    parent: string | null,
    role: string,
    text: string,
    more: object = {},
  ): [string, unknown] => [
    id,
    {
      id,
      parent,
      children: [],
      message: {
        id: `m-${id}`,
        author: { role },
        create_time: 1_700_000_000,
        content: { content_type: "text", parts: [text] },
        ...more,
      },
    },
  ];
  const conversation = (nodes: [string, unknown][], rest: object = {}): unknown => ({
    conversation_id: "c-1",
    title: "Trip",
    mapping: Object.fromEntries([["root", { id: "root", parent: null, children: [], message: null }], ...nodes]),
    ...rest,
  });

  it("reads all branches, in the order in which they were said, and ends with the branch that was viewed last", () => {
    const value = conversation(
      [
        node("q", "root", "user", "Where to?", { create_time: 1 }),
        node("first", "q", "assistant", "Rome.", { create_time: 2 }),
        node("thanks", "first", "user", "Thanks.", { create_time: 6 }),
        node("second", "q", "assistant", "Porto.", { create_time: 3 }),
        node("more", "second", "user", "How far?", { create_time: 4 }),
        node("other", "root", "user", "Where else?", { create_time: 5 }),
      ],
      { current_node: "thanks" },
    );
    const entries = [...readChatgpt(value, place)];
    expect(turns(entries).map((turn) => [turn.content, turn.after])).toEqual([
      ["Where to?", null],
      ["Rome.", "m-q"],
      ["Porto.", "m-q"],
      ["How far?", "m-second"],
      ["Where else?", null],
      ["Thanks.", "m-first"],
    ]);
    expect(entries[0]).toMatchObject({ kind: "session", isBranched: true, createdAt: "1970-01-01T00:00:01.000Z" });
    expect(entries.slice(-2)).toEqual([
      { kind: "head", session: "c-1", id: "m-thanks" },
      { kind: "end", session: "c-1" },
    ]);
  });

  it("puts no answer before its question, whatever their times say", () => {
    const value = conversation([
      node("a", "q", "assistant", "Porto.", { create_time: 5 }),
      node("q", "root", "user", "Where to?", { create_time: 9 }),
      node("t", "a", "user", "Thanks.", { create_time: null }),
    ]);
    expect(turns(readChatgpt(value, place)).map((turn) => turn.content)).toEqual(["Where to?", "Porto.", "Thanks."]);
  });

  it("does not treat a conversation without alternatives as branched", () => {
    const value = conversation([node("q", "root", "user", "Where to?"), node("a", "q", "assistant", "Porto.")]);
    const entries = [...readChatgpt(value, place)];
    expect(entries[0]).toMatchObject({ kind: "session", isBranched: false });
    expect(entries.some((entry) => entry.kind === "head")).toBe(false);
  });

  it("reads only the branch that was viewed last on request, root first", () => {
    const value = conversation(
      [
        node("q", "root", "user", "Where to?"),
        node("old", "q", "assistant", "Rome."),
        node("new", "q", "assistant", "Porto."),
        node("thanks", "new", "user", "Thanks."),
      ],
      { current_node: "thanks" },
    );
    const entries = [...readChatgpt(value, place, { instructions: "leave", branches: "seen" })];
    expect(skipped(entries)).toContain("left branch");
    expect(turns(entries).map((turn) => turn.content)).toEqual(["Where to?", "Porto.", "Thanks."]);
    expect(turns(entries)[0]).toMatchObject({ id: "m-q", role: "user", occurredAt: "2023-11-14T22:13:20.000Z" });
    expect(entries[0]).toMatchObject({ kind: "session", session: "c-1", metadata: { title: "Trip" } });
  });

  it("skips what was never visible: empty system messages, hidden ones, weight 0", () => {
    const value = conversation(
      [
        node("s", "root", "system", ""),
        node("h", "s", "user", "profile", { metadata: { is_visually_hidden_from_conversation: true } }),
        node("w", "h", "assistant", "discarded", { weight: 0 }),
        node("u", "w", "user", "Hello"),
      ],
      { current_node: "u" },
    );
    const entries = [...readChatgpt(value, place)];
    expect(turns(entries).map((turn) => turn.content)).toEqual(["Hello"]);
    expect(skipped(entries).toSorted()).toEqual(["empty node", "empty turn", "hidden message", "hidden message"]);
  });

  it("reads the other forms of content", () => {
    const value = conversation(
      [
        node("a", "root", "user", "", {
          content: { content_type: "multimodal_text", parts: [{ content_type: "image_asset_pointer" }, "What is it?"] },
        }),
        node("b", "a", "assistant", "", { content: { content_type: "code", language: "python", text: "1 + 1" } }),
        node("c", "b", "tool", "", {
          author: { role: "tool", name: "python" },
          content: { content_type: "execution_output", text: "2" },
        }),
        node("d", "c", "assistant", "", {
          content: { content_type: "thoughts", thoughts: [{ summary: "s", content: "Two." }] },
        }),
        node("e", "d", "assistant", "", { content: { content_type: "from_the_future", blob: 1 } }),
      ],
      { current_node: "e" },
    );
    const entries = [...readChatgpt(value, place)];
    expect(turns(entries)).toMatchObject([
      { content: "[image]\nWhat is it?" },
      { content: "1 + 1" },
      { role: "tool", author: "python", content: "2" },
      { content: [{ type: "reasoning", text: "Two." }] },
    ]);
    expect(notes(entries, "bad")).toEqual([
      'sample.jsonl:3 (message e): has content of an unknown form: "from_the_future"',
    ]);
  });

  it("finds the end by itself if current_node is missing", () => {
    const value = conversation([
      node("q", "root", "user", "Q", { create_time: 1 }),
      node("late", "q", "assistant", "late", { create_time: 9 }),
    ]);
    const mapping = JSON.parse(JSON.stringify(value));
    mapping.mapping.root.children = ["q"];
    mapping.mapping.q.children = ["late"];
    expect(turns(readChatgpt(mapping, place)).map((turn) => turn.content)).toEqual(["Q", "late"]);
  });

  it("does not loop forever, and is not misled by names of Object.prototype", () => {
    const circle = conversation([node("a", "b", "user", "a"), node("b", "a", "user", "b")], { current_node: "a" });
    expect(notes(readChatgpt(circle, place), "bad")).toEqual([
      "sample.jsonl:3: its tree of messages leads nowhere or in a circle",
    ]);
    for (const current_node of ["gone", "__proto__", "constructor"]) {
      const value = conversation([node("q", "root", "user", "Where to?")], { current_node });
      expect(turns(readChatgpt(value, place)).map((turn) => turn.content)).toEqual(["Where to?"]);
      expect(notes(readChatgpt(value, place), "warning")).toEqual([
        "sample.jsonl:3: its current_node is not in the file: the newest message that nothing follows stands for it",
      ]);
    }
  });

  it("begins where the file begins if there is no root, and does not take an abandoned answer for the end", () => {
    const value = conversation([
      node("q", "gone", "user", "Which tram?", { create_time: 1 }),
      node("left", "q", "assistant", "Tram 28.", { create_time: 2 }),
      node("a", "q", "assistant", "Tram 15.", { create_time: 3 }),
    ]);
    const seen = readChatgpt(value, place, { instructions: "leave", branches: "seen" });
    expect(turns(seen).map((turn) => turn.content)).toEqual(["Which tram?", "Tram 15."]);
    expect([...readChatgpt(value, place)].at(-2)).toMatchObject({ kind: "head", id: "m-a" });
    expect(notes(readChatgpt(value, place), "warning")).toEqual([
      "sample.jsonl:3: a message before its first one is not in the file",
    ]);
  });

  it("leaves out what the person set for all chats, whether it is marked as hidden or not", () => {
    const unsaid = (id: string, parent: string, type: string): [string, unknown] =>
      node(id, parent, "user", "", {
        content: { content_type: type, user_profile: "I am Nobody.", model_set_context: "Likes trams." },
      });
    const value = conversation([
      unsaid("i", "root", "user_editable_context"),
      unsaid("m", "i", "model_editable_context"),
      node("u", "m", "user", "Hello", { create_time: 1_800_000_000 }),
    ]);
    const entries = [...readChatgpt(value, place)];
    expect(turns(entries).map((turn) => turn.content)).toEqual(["Hello"]);
    expect(skipped(entries).toSorted()).toEqual(["custom instructions", "empty node", "memory of other chats"]);
  });

  it("reads a message to a tool as a call, and the tool's messages as the results, in the order of the calls", () => {
    const call = (id: string, parent: string, text: string): [string, unknown] =>
      node(id, parent, "assistant", "", { recipient: "web.run", content: { content_type: "code", text } });
    const result = (id: string, parent: string, text: string): [string, unknown] =>
      node(id, parent, "tool", text, { author: { role: "tool", name: "web.run" } });
    const value = conversation(
      [
        call("a", "root", '{"query":"tram 28"}'),
        call("b", "a", "print(15)"),
        result("c", "b", "Every ten minutes."),
        result("d", "c", "Every six."),
        result("e", "d", "Nobody asked."),
      ],
      { current_node: "e" },
    );
    expect(turns(readChatgpt(value, place)).map((turn) => turn.content)).toEqual([
      [{ type: "tool-call", toolCallId: "m-a", toolName: "web.run", input: { query: "tram 28" } }],
      [{ type: "tool-call", toolCallId: "m-b", toolName: "web.run", input: "print(15)" }],
      [
        {
          type: "tool-result",
          toolCallId: "m-a",
          toolName: "web.run",
          output: { type: "text", value: "Every ten minutes." },
        },
      ],
      [{ type: "tool-result", toolCallId: "m-b", toolName: "web.run", output: { type: "text", value: "Every six." } }],
      "Nobody asked.",
    ]);
  });

  it("removes citation marks, and audio next to its transcript", () => {
    const spoken = (parts: unknown[]): object => ({ content: { content_type: "multimodal_text", parts } });
    const sound = { content_type: "real_time_user_audio_video_asset_pointer" };
    const value = conversation(
      [
        node("a", "root", "user", "", spoken([{ content_type: "audio_transcription", text: "When?" }, sound])),
        node("b", "a", "assistant", "Tram 15\ue200cite\ue202turn0search0\ue201 goes【12†source】."),
        node("c", "b", "user", "", spoken([{ content_type: "audio_asset_pointer" }])),
      ],
      { current_node: "c" },
    );
    expect(turns(readChatgpt(value, place)).map((turn) => turn.content)).toEqual(["When?", "Tram 15 goes.", "[audio]"]);
  });
});

describe("Claude", () => {
  const ROOT = "00000000-0000-4000-8000-000000000000";
  const said = (uuid: string, parent: string | undefined, sender: string, text: string, more: object = {}): object => ({
    uuid,
    ...(parent === undefined ? {} : { parent_message_uuid: parent }),
    sender,
    text,
    content: text === "" ? [] : [{ type: "text", text }],
    created_at: "2026-09-01T10:00:00.000000Z",
    attachments: [],
    files: [],
    ...more,
  });
  const conversation = (...chat_messages: unknown[]): unknown => ({ uuid: "c-1", name: "Trams", chat_messages });

  it("reads all branches, or the one that was viewed last, and says how much was left out", () => {
    const value = conversation(
      said("q", ROOT, "human", "Which tram?"),
      said("left", "q", "assistant", "Tram 28."),
      said("a", "q", "assistant", "Tram 15.", { created_at: "2026-09-01T10:01:00.5Z" }),
    );
    expect(turns(readClaude(value, place)).map((turn) => [turn.content, turn.after])).toEqual([
      ["Which tram?", null],
      ["Tram 28.", "q"],
      ["Tram 15.", "q"],
    ]);
    expect([...readClaude(value, place)].at(-2)).toEqual({ kind: "head", session: "c-1", id: "a" });
    const entries = [...readClaude(value, place, { instructions: "leave", branches: "seen" })];
    expect(turns(entries)).toMatchObject([
      { id: "q", role: "user", content: "Which tram?", occurredAt: "2026-09-01T10:00:00.000Z" },
      { id: "a", role: "assistant", content: "Tram 15.", occurredAt: "2026-09-01T10:01:00.500Z" },
    ]);
    expect(entries[0]).toMatchObject({
      kind: "session",
      session: "c-1",
      metadata: { source: "claude", title: "Trams" },
    });
    expect(skipped(entries)).toEqual(["left branch"]);
  });

  it("keeps the order of the file if messages have no parents, or the parents form a circle", () => {
    const plain = conversation(said("1", undefined, "human", "a"), said("2", undefined, "assistant", "b"));
    const circle = conversation(said("1", "2", "human", "a"), said("2", "1", "assistant", "b"));
    for (const value of [plain, circle]) {
      expect(turns(readClaude(value, place)).map((turn) => turn.content)).toEqual(["a", "b"]);
    }
  });

  it("reads attachments by their text, reasoning, calls and results, and reports what it does not know", () => {
    const value = conversation(
      said("m1", ROOT, "human", "", {
        attachments: [{ file_name: "pasted.txt", extracted_content: "Tram 28." }, { file_name: "big.bin" }],
        files: [{ file_name: "tram.png" }],
      }),
      said("m2", "m1", "assistant", "", {
        content: [
          { type: "thinking", thinking: "I look." },
          { type: "tool_use", id: "t1", name: "web_search", input: { query: "tram" } },
          {
            type: "tool_result",
            tool_use_id: "t1",
            name: "web_search",
            content: [{ type: "text", text: "Ten." }, { type: "image" }],
          },
          { type: "tool_result", tool_use_id: "t2", name: "fetch", is_error: true, content: "gone" },
          { type: "token_budget" },
          { type: "from_the_future" },
          { type: "text", text: "Every ten minutes." },
        ],
      }),
      said("m3", "m2", "human", " "),
      said("m4", "m3", "somebody", "?"),
    );
    const entries = [...readClaude(value, place)];
    expect(turns(entries).map((turn) => turn.content)).toEqual([
      [
        { type: "text", text: "[pasted.txt]\nTram 28." },
        { type: "text", text: "[big.bin]" },
        { type: "text", text: "[tram.png]" },
      ],
      [
        { type: "reasoning", text: "I look." },
        { type: "tool-call", toolCallId: "t1", toolName: "web_search", input: { query: "tram" } },
        {
          type: "tool-result",
          toolCallId: "t1",
          toolName: "web_search",
          output: { type: "text", value: "Ten.\n[image]" },
        },
        { type: "tool-result", toolCallId: "t2", toolName: "fetch", output: { type: "error-text", value: "gone" } },
        { type: "text", text: "Every ten minutes." },
      ],
    ]);
    expect(notes(entries, "warning")).toEqual([
      "sample.jsonl:3 (message m2): content of type from_the_future is left out",
    ]);
    expect(notes(entries, "bad")).toEqual(["sample.jsonl:3 (message m4): has no sender that is human or assistant"]);
    expect(skipped(entries)).toEqual(["empty turn"]);
  });
});

describe("QMSum", () => {
  it("makes every speaker a user with their own name, and gives meetings different names", () => {
    const meeting = {
      meeting_transcripts: [
        { speaker: "Chair", content: "Shall we begin?" },
        { speaker: "Engineer", content: " " },
        { speaker: "Engineer", content: "Yes." },
        { speaker: "Engineer" },
      ],
    };
    const entries = [...readQmsum(meeting, place)];
    expect(turns(entries)).toEqual([
      { role: "user", author: "Chair", content: "Shall we begin?" },
      { role: "user", author: "Engineer", content: "Yes." },
    ]);
    expect(skipped(entries)).toEqual(["empty turn"]);
    expect(notes(entries, "bad")).toEqual(["sample.jsonl:3 (turn 4): has no text content"]);
    expect(sessions(entries)).toHaveLength(1);
    expect(sessions(entries)).toEqual(sessions(readQmsum(meeting, { file: "sample.jsonl", line: 99 })));
  });
});

describe("LoCoMo", () => {
  const sample = (conversation: object): unknown => ({ sample_id: "conv-1", conversation, qa: [] });

  it("keeps captions and dates, and orders the sittings by their numbers", () => {
    const entries = [
      ...readLocomo(
        sample({
          speaker_a: "Ann",
          speaker_b: "Ben",
          session_10_date_time: "9:00 am on 2 March, 2024",
          session_10: [{ speaker: "Ann", dia_id: "D10:1", text: "Last." }],
          session_2_date_time: "1:56 pm on 8 May, 2023",
          session_2: [
            {
              speaker: "Ann",
              dia_id: "D2:1",
              text: "Look at this.",
              blip_caption: "a boat on a lake",
              img_url: ["https://example.org"],
            },
            { speaker: "Ben", dia_id: "D2:2", text: "", blip_caption: "a cat" },
            { speaker: "Ben", dia_id: "D2:3", text: "" },
          ],
          session_3_date_time: "5:00 pm on 9 May, 2023",
        }),
        place,
      ),
    ];
    expect(turns(entries)).toEqual([
      {
        id: "D2:1",
        role: "user",
        author: "Ann",
        content: "Look at this. [image: a boat on a lake]",
        occurredAt: "2023-05-08T13:56:00.000Z",
        metadata: { sitting: 2, diaId: "D2:1" },
      },
      {
        id: "D2:2",
        role: "user",
        author: "Ben",
        content: "[image: a cat]",
        occurredAt: "2023-05-08T13:56:01.000Z",
        metadata: { sitting: 2, diaId: "D2:2" },
      },
      {
        id: "D10:1",
        role: "user",
        author: "Ann",
        content: "Last.",
        occurredAt: "2024-03-02T09:00:00.000Z",
        metadata: { sitting: 10, diaId: "D10:1" },
      },
    ]);
    expect(skipped(entries)).toEqual(["empty turn"]);
    expect(sessions(entries)).toEqual(["conv-1"]);
  });

  it.each([
    ["12:05 am on 1 January, 2024", "2024-01-01T00:05:00.000Z"],
    ["1:05 am on 1 January, 2024", "2024-01-01T01:05:00.000Z"],
    ["11:59 am on 29 February, 2024", "2024-02-29T11:59:00.000Z"],
    ["12:00 pm on 31 Dec 2023", "2023-12-31T12:00:00.000Z"],
    ["11:59 PM on 30 JUNE, 2023", "2023-06-30T23:59:00.000Z"],
    ["1:00 pm on 31 June, 2023", undefined],
    ["1:00 pm on 29 February, 2023", undefined],
    ["1:00 pm on 0 May, 2023", undefined],
    ["13:00 pm on 1 May, 2023", undefined],
    ["0:30 am on 1 May, 2023", undefined],
    ["1:60 pm on 1 May, 2023", undefined],
    ["1:00 pm on 1 Maybe, 2023", undefined],
    ["1:00 pm on 1 May, 999", undefined],
  ])("reads the date %j", (text, iso) => {
    const moment = parseLocomoDate(text);
    expect(moment === undefined ? undefined : toIso(moment)).toBe(iso);
  });

  it("warns of an invalid date and keeps the turns", () => {
    const entries = [
      ...readLocomo(sample({ session_1_date_time: "soon", session_1: [{ speaker: "Ann", text: "Hi" }, 7] }), place),
    ];
    expect(notes(entries, "warning")).toEqual([
      "sample.jsonl:3 (session_1): its date is missing or not understood: its turns get none",
    ]);
    expect(turns(entries)[0]).not.toHaveProperty("occurredAt");
    expect(notes(entries, "bad")).toEqual(["sample.jsonl:3 (session_1 turn 2): is not an object"]);
  });

  it("reports a sitting or a sample of the wrong form", () => {
    expect(notes(readLocomo(sample({ session_1: "no" }), place), "bad")).toHaveLength(1);
    expect(notes(readLocomo({ conversation: [] }, place), "bad")).toHaveLength(1);
  });
});

describe("threads of LangGraph", () => {
  const readAll = (...values: unknown[]): Entry[] => {
    const reader = new LanggraphReader();
    return [...values.flatMap((value) => [...reader.read(value, place)]), ...reader.end()];
  };
  const human = { type: "human", id: "h1", content: "Which tram?" };
  const called = {
    type: "ai",
    id: "a1",
    content: [
      { type: "reasoning", reasoning: "I look." },
      { type: "text", text: "Let me look." },
      { type: "tool_use", id: "t1", name: "find" },
    ],
    tool_calls: [{ id: "t1", name: "find", args: { line: 15 } }],
  };
  const result = { type: "tool", id: "r1", tool_call_id: "t1", name: "find", content: "Every ten minutes." };
  const said = [
    "Which tram?",
    [
      { type: "reasoning", text: "I look." },
      { type: "text", text: "Let me look." },
      { type: "tool-call", toolCallId: "t1", toolName: "find", input: { line: 15 } },
    ],
    [
      {
        type: "tool-result",
        toolCallId: "t1",
        toolName: "find",
        output: { type: "text", value: "Every ten minutes." },
      },
    ],
  ];

  it("are read from a thread, from a state and from a checkpoint, in each form of messages", () => {
    const plain = [human, called, result];
    const inData = plain.map(({ type, ...data }) => ({ type, data: { ...data, type } }));
    const classes: Record<string, string> = { human: "HumanMessage", ai: "AIMessage", tool: "ToolMessage" };
    const constructed = plain.map(({ type, ...kwargs }) => ({
      lc: 1,
      type: "constructor",
      id: ["langchain", "schema", "messages", classes[type]],
      kwargs,
    }));
    const states = [
      {
        thread_id: "t-1",
        created_at: "2026-09-01T10:00:00Z",
        metadata: {},
        status: "idle",
        values: { messages: plain },
      },
      {
        values: { messages: inData },
        next: [],
        checkpoint: { thread_id: "t-1", checkpoint_id: "1" },
        created_at: "2026-09-01",
      },
      {
        config: { configurable: { thread_id: "t-1" } },
        checkpoint: { ts: "2026-09-01", channel_values: { messages: constructed } },
      },
    ];
    for (const state of states) {
      expect(formatOf(state)).toBe("langgraph");
      const entries = readAll(state);
      expect(sessions(entries)).toEqual(["t-1"]);
      expect(turns(entries).map((turn) => turn.content)).toEqual(said);
      expect(turns(entries).map((turn) => turn.role)).toEqual(["user", "assistant", "tool"]);
      expect(notes(entries, "bad")).toEqual([]);
    }
    expect(formatOf({ messages: plain })).toBe("langgraph");
    expect(formatOf({ messages: [{ role: "user", content: "x" }] })).toBe("openai");
  });

  it("in a history give the newest state, and report what only an earlier state contains, and other content", () => {
    const state = (at: string, messages: unknown[], more: object = {}): unknown => ({
      values: { messages, ...more },
      next: [],
      checkpoint: { thread_id: "t-1" },
      created_at: at,
    });
    const gone = { type: "human", id: "gone", content: "Forget this." };
    const entries = readAll(
      state("2026-09-01T10:00:02Z", [human, called, result, 7], { summary: "Trams." }),
      state("2026-09-01T10:00:01Z", [gone, human]),
    );
    expect(turns(entries).map((turn) => turn.content)).toEqual(said);
    expect(entries.find((entry) => entry.kind === "session")).toMatchObject({ createdAt: "2026-09-01T10:00:01.000Z" });
    expect(skipped(entries)).toEqual(["earlier state of a thread"]);
    expect(noted(entries)).toEqual([
      "field summary of a thread's state, left out",
      "message that only an earlier state of its thread holds, left out",
    ]);
    expect(notes(entries, "bad")).toEqual(["sample.jsonl:3 (message 4): is no message of LangChain"]);
    expect(notes(readAll({ values: {} }), "bad")).toHaveLength(1);
  });
});

describe("the working memory of agent-memory-server", () => {
  const memory = {
    session_id: "s-1",
    namespace: "trips",
    user_id: "ada",
    created_at: "2026-09-01T10:00:00Z",
    context: "They asked for hotels.",
    data: { cart: 1 },
    memories: [{ id: "m", text: "Ada walks with a stick.", memory_type: "semantic" }],
    messages: [
      { id: "1", role: "user", content: "Is Baixa flat?", created_at: "2026-09-01T10:00:01Z" },
      { id: "2", role: "assistant", content: " " },
      { id: "3", role: "assistant", content: 7 },
    ],
  };

  it("is read with its messages, and with the summary of earlier messages that it no longer has", () => {
    expect(formatOf(memory)).toBe("agent-memory-server");
    const entries = [...readAgentMemory(memory, place)];
    expect(entries[0]).toMatchObject({
      session: "s-1",
      createdAt: "2026-09-01T10:00:00.000Z",
      metadata: { source: "agent-memory-server", namespace: "trips", user: "ada" },
    });
    expect(turns(entries)).toMatchObject([
      { role: "user", content: "[What was said before, in summary]\nThey asked for hotels." },
      { id: "1", role: "user", content: "Is Baixa flat?", occurredAt: "2026-09-01T10:00:01.000Z" },
    ]);
    expect(skipped(entries)).toEqual(["long-term memory", "empty turn"]);
    expect(noted(entries)).toEqual([
      "data beside the messages, left out",
      "summary of messages that are gone, kept as the first message",
    ]);
    expect(notes(entries, "bad")).toEqual(["sample.jsonl:3 (message 3): has no text content"]);
  });

  it("is read with its memories on request", () => {
    const [first] = turns(readAgentMemory(memory, place, { instructions: "pinned", branches: "all" }));
    expect(first).toMatchObject({ pinned: true, role: "user", content: expect.stringContaining("- Ada walks with") });
  });
});

describe("Letta's agent file", () => {
  const message = (id: string, role: string, text: string, second: number, more: object = {}): object => ({
    type: "message",
    id,
    role,
    content: [{ type: "text", text }],
    tool_calls: null,
    tool_call_id: null,
    created_at: `2026-09-01T10:00:0${second}.000000+00:00`,
    ...more,
  });
  const call = (id: string, name: string, input: object): object => ({
    tool_calls: [{ id, type: "function", function: { name, arguments: JSON.stringify(input) } }],
  });
  const packed = (type: string, text: string): string => JSON.stringify({ type, message: text, time: "noon" });
  const messages = [
    message("message-0", "system", "You are Letta.", 0),
    message("message-3", "assistant", "I greet.", 3, call("c2", "send_message", { message: "Every ten minutes." })),
    message("message-1", "user", packed("user_message", "How often?"), 1),
    message("message-2", "assistant", "", 2, call("c1", "find", { line: 15 })),
    message("message-5", "tool", '{"status":"OK","message":"ten","time":"noon"}', 2, { tool_call_id: "c1" }),
    message("message-4", "tool", '{"status":"OK","message":"None","time":"noon"}', 4, { tool_call_id: "c2" }),
    message("message-6", "user", packed("heartbeat", "go on"), 5),
    message("message-7", "approval", "", 6),
  ];
  const file = {
    agents: [{ id: "agent-0", name: "Tram agent", block_ids: ["block-0"], system: "You are Letta.", messages }],
    blocks: [{ id: "block-0", label: "human", value: "Name: Nobody" }],
    tools: [{ id: "tool-0" }],
    files: [{ id: "file-0" }],
  };

  it("is read with its messages in the order of time; everything else is reported", () => {
    expect(formatOf(file)).toBe("letta");
    const entries = [...readLetta(file, place)];
    expect(turns(entries).map(({ id, role, content }) => [id, role, content])).toEqual([
      [undefined, "user", "How often?"],
      [undefined, "assistant", [{ type: "tool-call", toolCallId: "c1", toolName: "find", input: { line: 15 } }]],
      [
        undefined,
        "tool",
        [{ type: "tool-result", toolCallId: "c1", toolName: "find", output: { type: "text", value: "ten" } }],
      ],
      [
        undefined,
        "assistant",
        [
          { type: "reasoning", text: "I greet." },
          { type: "text", text: "Every ten minutes." },
        ],
      ],
    ]);
    expect(sessions(entries)).toEqual([expect.stringMatching(/^Tram agent\.[0-9a-f]{10}$/)]);
    expect(entries[0]).toMatchObject({ createdAt: "2026-09-01T10:00:00.000Z" });
    expect(skipped(entries)).toEqual([
      "block of an agent's memory",
      "system prompt of an agent",
      "receipt of what was said",
      "event of Letta (heartbeat)",
      "approval of a tool",
      "tool of an agent",
    ]);
    expect(noted(entries)).toEqual(["files of Letta, left out"]);
    expect(notes(entries, "bad")).toEqual([]);
  });

  it("is read with the blocks of its memory on request, also from a file that only contains the agent", () => {
    const options = { instructions: "pinned", branches: "all" } as const;
    const old = { name: "Old", core_memory: file.blocks, in_context_message_indices: [0], messages };
    expect(formatOf(old)).toBe("letta");
    for (const value of [file, old]) {
      expect(turns(readLetta(value, place, options))[0]).toMatchObject({
        pinned: true,
        role: "user",
        content: "Memory of the agent, human:\nName: Nobody",
      });
    }
  });
});
