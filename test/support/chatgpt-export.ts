/**
 * An export like those of ChatGPT, with every quirk that people have reported, from a seed. All texts were written for this
 * test; only the shapes are those of real exports. It knows what must arrive of it, and what must be reported.
 */

interface ExpectedMessage {
  readonly id: string;
  readonly role: string;
  readonly content: unknown;
  /** The id of the message that it follows; null for none. */
  readonly after: string | null;
  readonly occurredAt: string | undefined;
  readonly pinned: boolean;
}

interface ExpectedConversation {
  readonly id: string;
  readonly title: string | undefined;
  readonly createdAt: string | undefined;
  readonly messages: readonly ExpectedMessage[];
  /** The message that the person saw last; null if nothing was said. */
  readonly head: string | null;
}

export interface GeneratedExport {
  readonly conversations: readonly unknown[];
  readonly expected: readonly ExpectedConversation[];
  /** How often each form is reported: left out on purpose, replaced by a note, unreadable, changed. */
  readonly skipped: Readonly<Record<string, number>>;
  readonly noted: Readonly<Record<string, number>>;
  readonly bad: Readonly<Record<string, number>>;
  readonly warnings: Readonly<Record<string, number>>;
}

/** Pseudorandom numbers, the same ones for the same seed. */
function randomFrom(seed: number): (below: number) => number {
  let state = (seed * 2_654_435_761 + 1) >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

type Counts = Record<string, number>;

class Ledger {
  readonly skipped: Counts = {};
  readonly noted: Counts = {};
  readonly bad: Counts = {};
  readonly warnings: Counts = {};

  count(kind: "skipped" | "noted" | "bad" | "warnings", form: string): void {
    this[kind][form] = (this[kind][form] ?? 0) + 1;
  }
}

const WORDS = [
  "tram",
  "hill",
  "river",
  "café",
  "stairs",
  "Lisboa",
  "tile",
  "grilled sardines",
  "😀",
  "Ponte 25 de Abril",
];
const FIRST_SECOND = 1_700_000_000;

class Chat {
  readonly id: string;
  readonly random: (below: number) => number;
  readonly ledger: Ledger;
  readonly instructions: "pinned" | "leave";
  readonly mapping: Record<string, unknown> = {};
  readonly messages: ExpectedMessage[] = [];
  /** The message that stands for each node. */
  readonly #stands = new Map<string, string | null>();
  #nodes = 0;
  #second: number;
  /** The node at which the person is. */
  tip: string;
  hasTimes = true;
  hasMetadata = true;

  constructor(number: number, ledger: Ledger, instructions: "pinned" | "leave") {
    this.id = `chat-${String(number).padStart(4, "0")}`;
    this.random = randomFrom(number + 1);
    this.ledger = ledger;
    this.instructions = instructions;
    this.#second = FIRST_SECOND + number * 100_000;
    this.tip = this.node(null, null);
    this.ledger.count("skipped", "empty node");
  }

  words(): string {
    return Array.from({ length: 3 + this.random(8) }, () => WORDS[this.random(WORDS.length)]).join(" ");
  }

  /** A node of the tree as in the file, of which nothing is expected. */
  node(
    parent: string | null,
    message: Record<string, unknown> | null,
    id = `${this.id}-n${(this.#nodes += 1)}`,
  ): string {
    this.#second += 1 + this.random(30);
    const time = this.hasTimes ? this.#second + 0.25 : null;
    const own =
      message === null ? null : { id, create_time: time, weight: 1, recipient: "all", metadata: {}, ...message };
    if (own !== null && !this.hasMetadata) delete (own as Record<string, unknown>)["metadata"];
    this.mapping[id] = { id, parent, ...(this.random(2) === 0 ? { children: [] } : {}), message: own };
    this.#stands.set(id, parent === null ? null : (this.#stands.get(parent) ?? null));
    return id;
  }

  /** A node whose message must arrive. */
  expect(message: Record<string, unknown>, role: string, content: unknown, more: { pinned?: boolean } = {}): string {
    const parent = this.tip;
    const id = this.node(parent, message);
    this.messages.push({
      id,
      role,
      content,
      after: this.#stands.get(parent) ?? null,
      occurredAt: this.hasTimes ? new Date(this.#second * 1_000 + 250).toISOString() : undefined,
      pinned: more.pinned === true,
    });
    this.#stands.set(id, id);
    this.tip = id;
    return id;
  }

  say(role: string, text = this.words(), more: Record<string, unknown> = {}): string {
    return this.expect({ author: { role }, content: { content_type: "text", parts: [text] }, ...more }, role, text);
  }

  /** A node that must be reported, and after which the chat continues. */
  leave(kind: "skipped" | "bad", form: string, message: Record<string, unknown>): void {
    this.tip = this.node(this.tip, message);
    this.ledger.count(kind, form);
  }

  headOf(node: string): string | null {
    return this.#stands.get(node) ?? null;
  }

  standsAs(node: string, id: string): void {
    this.#stands.set(node, id);
  }
}

type Quirk = (chat: Chat) => void;

const assistant = { author: { role: "assistant" } };
const user = { author: { role: "user" } };
const parts = (...all: unknown[]) => ({ content_type: "multimodal_text", parts: all });

function call(chat: Chat, tool: string, form: "json" | "code"): string {
  const input = { query: chat.words() };
  const code = `print(${JSON.stringify(chat.words())})`;
  const text = form === "json" ? JSON.stringify(input) : code;
  const message = { ...assistant, recipient: tool, content: { content_type: "code", language: "unknown", text } };
  const before = chat.messages.length;
  const id = chat.expect(message, "assistant", null);
  const content = [{ type: "tool-call", toolCallId: id, toolName: tool, input: form === "json" ? input : code }];
  chat.messages[before] = { ...(chat.messages[before] ?? raise()), content };
  return id;
}

function answer(chat: Chat, tool: string, toolCallId: string): void {
  const text = chat.words();
  const content = [{ type: "tool-result", toolCallId, toolName: tool, output: { type: "text", value: text } }];
  const message = { author: { role: "tool", name: tool }, content: { content_type: "execution_output", text } };
  chat.expect(message, "tool", content);
}

function raise(): never {
  throw new Error("the export expects a message that it did not make");
}

/** Each function makes one of the forms that exports have, and says what must become of it. */
const QUIRKS: Readonly<Record<string, Quirk>> = {
  "a call and its result": (chat) => {
    answer(chat, "python", call(chat, "python", "code"));
  },
  "two calls at once, and one that nobody answered": (chat) => {
    const [first, second] = [call(chat, "web.run", "json"), call(chat, "web.run", "json")];
    answer(chat, "web.run", first);
    answer(chat, "web.run", second);
    call(chat, "dalle.text2im", "json");
  },
  "custom instructions, hidden or not": (chat) => {
    const content = {
      content_type: "user_editable_context",
      user_profile: "I am Nobody.",
      user_instructions: "Be brief.",
    };
    const hidden = chat.random(2) === 0 ? { metadata: { is_visually_hidden_from_conversation: true } } : {};
    const message = { ...user, content, ...hidden };
    if (chat.instructions === "leave") return chat.leave("skipped", "custom instructions", message);
    const text = "About me:\nI am Nobody.\nHow to answer me:\nBe brief.";
    chat.expect(message, "user", text, { pinned: true });
  },
  "memory of other chats": (chat) => {
    const message = {
      author: { role: "assistant" },
      content: { content_type: "model_editable_context", model_set_context: "Likes trams." },
    };
    if (chat.instructions === "leave") return chat.leave("skipped", "memory of other chats", message);
    chat.expect(message, "user", "Remembered of earlier chats:\nLikes trams.", { pinned: true });
  },
  "marks of the page": (chat) => {
    const text =
      'Tram 15 \ue200cite\ue202turn0search1\ue201 goes to \ue200entity\ue202["city","Lisbon","capital"]\ue201【12†source】, see \ue200url\ue202the timetable\ue202https://example.org\ue201\ue206.';
    for (let times = 0; times < 2; times += 1) chat.ledger.count("noted", "mark of the page (cite), taken out");
    chat.expect(
      { ...assistant, content: { content_type: "text", parts: [text] } },
      "assistant",
      "Tram 15  goes to Lisbon, see the timetable.",
    );
  },
  "speech with its sound": (chat) => {
    const said = chat.words();
    chat.ledger.count("noted", "audio asset, its transcript is kept");
    const sound = { content_type: "real_time_user_audio_video_asset_pointer", audio_asset_pointer: {} };
    chat.expect(
      { ...user, content: parts({ content_type: "audio_transcription", text: said, direction: "in" }, sound) },
      "user",
      said,
    );
  },
  "sound without a transcript": (chat) => {
    chat.ledger.count("noted", "audio asset, kept as a note");
    const sound = { content_type: "audio_asset_pointer", asset_pointer: "sediment://file_9", format: "wav" };
    chat.expect({ ...user, content: parts(sound) }, "user", "[audio]");
  },
  "a picture and its name": (chat) => {
    chat.ledger.count("noted", "image asset, kept as a note");
    const picture = { content_type: "image_asset_pointer", asset_pointer: "sediment://file_42", width: 1, height: 1 };
    const isNamed = chat.hasMetadata && chat.random(2) === 0;
    const metadata = isNamed ? { attachments: [{ id: "file_42", name: "tram.png", mime_type: "image/png" }] } : {};
    const note = isNamed ? "[image: tram.png]" : "[image]";
    chat.expect({ ...user, metadata, content: parts(picture, "What is it?") }, "user", `${note}\nWhat is it?`);
  },
  "an attached file": (chat) => {
    if (!chat.hasMetadata) return;
    chat.ledger.count("noted", "attached file, kept as a note of its name");
    const metadata = { attachments: [{ id: "file-7", name: "timetable.pdf", mimeType: "application/pdf", size: 9 }] };
    chat.expect(
      { ...user, metadata, content: { content_type: "text", parts: ["Read this."] } },
      "user",
      "[file: timetable.pdf]\nRead this.",
    );
  },
  "a picture that code drew": (chat) => {
    if (!chat.hasMetadata) return;
    chat.ledger.count("noted", "image made by code, kept as a note");
    const metadata = {
      aggregate_result: { messages: [{ message_type: "image", image_url: "file-service://file-3" }] },
    };
    const message = {
      author: { role: "tool", name: "python" },
      metadata,
      content: { content_type: "execution_output", text: "done" },
    };
    // Nobody called the tool: its plain text.
    chat.expect(message, "tool", "done\n[image]");
  },
  "a part from the future": (chat) => {
    chat.ledger.count("noted", "part of the form hologram, kept as a note");
    chat.expect(
      { ...user, content: parts("Look:", { content_type: "hologram", blob: 1 }) },
      "user",
      "Look:\n[hologram]",
    );
  },
  thoughts: (chat) => {
    const text = chat.words();
    const content = {
      content_type: "thoughts",
      thoughts: [
        { summary: "A look", content: text },
        { summary: "And more", content: "" },
      ],
    };
    chat.expect({ ...assistant, content }, "assistant", [{ type: "reasoning", text: `${text}\nAnd more` }]);
    chat.expect(
      { ...assistant, content: { content_type: "reasoning_recap", content: "Thought for 9 s" } },
      "assistant",
      [{ type: "reasoning", text: "Thought for 9 s" }],
    );
  },
  "pages that were read": (chat) => {
    const quote = {
      content_type: "tether_quote",
      url: "https://example.org/a",
      domain: "example.org",
      title: "Trams",
      text: "Every ten minutes.",
    };
    chat.expect(
      { author: { role: "tool", name: "browser" }, content: quote },
      "tool",
      "Trams\nhttps://example.org/a\nEvery ten minutes.",
    );
    const display = { content_type: "tether_browsing_display", result: "", summary: "Nothing found." };
    chat.expect({ author: { role: "tool", name: "browser" }, content: display }, "tool", "Nothing found.");
  },
  "an error, and a screen": (chat) => {
    const error = { content_type: "system_error", name: "Timeout", text: "It took too long." };
    chat.expect({ author: { role: "tool", name: "python" }, content: error }, "tool", "Timeout\nIt took too long.");
    chat.ledger.count("noted", "screenshot, kept as a note");
    chat.expect(
      { author: { role: "tool", name: "computer" }, content: { content_type: "computer_output" } },
      "tool",
      "[screenshot]",
    );
  },
  "what was hidden, or never sent": (chat) => {
    const content = { content_type: "text", parts: ["context of the page"] };
    if (chat.hasMetadata)
      chat.leave("skipped", "hidden message", {
        ...user,
        content,
        metadata: { is_visually_hidden_from_conversation: true },
      });
    chat.leave("skipped", "hidden message", { ...assistant, content, weight: 0 });
    chat.leave("skipped", "empty turn", { author: { role: "system" }, content: { content_type: "text", parts: [""] } });
    chat.leave("skipped", "empty turn", { ...assistant, content: { content_type: "text", parts: [null] } });
  },
  "content from the future": (chat) => {
    chat.leave("bad", 'has content of an unknown form: "dream"', {
      ...assistant,
      content: { content_type: "dream", blob: 1 },
    });
  },
  "an author from the future": (chat) => {
    const content = { content_type: "text", parts: ["?"] };
    chat.leave("bad", 'has no author with a known role: "critic"', { author: { role: "critic" }, content });
  },
  "a character that no store keeps": (chat) => {
    const text = chat.random(2) === 0 ? "zero \u0000" : "half \ud83d";
    const reason = text.startsWith("zero")
      ? "must not contain NUL characters"
      : "must be well-formed Unicode: it contains a lone surrogate";
    chat.leave("bad", `content: ${reason}`, { ...user, content: { content_type: "text", parts: [text] } });
  },
  "an answer made anew": (chat) => {
    const asked = chat.say("user");
    chat.say("assistant");
    if (chat.random(2) === 0) chat.say("user");
    chat.tip = asked;
    chat.say("assistant");
  },
  "an edited question, left again": (chat) => {
    const start = chat.tip;
    chat.say("user");
    const end = chat.say("assistant");
    chat.tip = start;
    chat.say("user");
    chat.say("assistant");
    chat.tip = end;
    chat.say("user");
  },
  "two nodes with one message": (chat) => {
    const id = chat.say("assistant");
    const before = chat.messages.length;
    const node = chat.expect(
      { ...assistant, id, content: { content_type: "text", parts: ["twice"] } },
      "assistant",
      "twice",
    );
    chat.messages[before] = { ...(chat.messages[before] ?? raise()), id: node };
  },
  "a paste past 4 MiB": (chat) => {
    const lines = Array.from({ length: 46_000 }, (_, index) => `${index} ${"x".repeat(90)}\n`).join("");
    const before = chat.messages.length;
    const id = chat.expect({ ...user, content: { content_type: "text", parts: [lines] } }, "user", lines);
    const whole = chat.messages[before] ?? raise();
    // The first piece ends with the last whole line that fits.
    const room = 4 * 1024 * 1024 - 16 * 1024;
    let bytes = 0;
    let length = 0;
    for (const line of lines.split(/(?<=\n)/)) {
      if (bytes + line.length + 1 > room) break;
      bytes += line.length + 1;
      length += line.length;
    }
    const rest = { ...whole, id: `${id}.part-2`, after: id, content: lines.slice(length) };
    chat.messages.splice(before, 1, { ...whole, content: lines.slice(0, length) }, rest);
    chat.standsAs(id, rest.id);
    chat.ledger.count("warnings", "stands in 2 messages, one after the other");
  },
};

/** What may be wrong with a conversation as a whole. */
type Ending = (chat: Chat, conversation: Record<string, unknown>) => void;

const ENDINGS: readonly Ending[] = [
  (chat, conversation) => {
    conversation["current_node"] = chat.tip;
  },
  (chat, conversation) => {
    conversation["current_node"] = "gone";
    chat.ledger.count(
      "warnings",
      "its current_node is not in the file: the newest message that nothing follows stands for it",
    );
  },
  (chat, conversation) => {
    conversation["current_node"] = `${chat.id}-n1`;
    chat.ledger.count(
      "warnings",
      "its current_node leads to no message: the newest message that nothing follows stands for it",
    );
  },
  () => undefined,
];

const RARE = new Set(["a paste past 4 MiB"]);

export function generateExport(
  seed: number,
  count: number,
  { instructions, isLarge = true }: { readonly instructions: "pinned" | "leave"; readonly isLarge?: boolean },
): GeneratedExport {
  const ledger = new Ledger();
  const quirks = Object.entries(QUIRKS).filter(([name]) => !RARE.has(name));
  const conversations: unknown[] = [];
  const expected: ExpectedConversation[] = [];
  for (let number = 0; number < count; number += 1) {
    const chat = new Chat(seed * 1_000 + number, ledger, instructions);
    chat.hasTimes = number % 7 !== 6;
    chat.hasMetadata = number % 11 !== 10;
    chat.say("user");
    // Each quirk comes in turn, and others at random in addition.
    for (const at of [number, chat.random(quirks.length), chat.random(quirks.length)]) {
      quirks[at % quirks.length]?.[1](chat);
      if (chat.random(2) === 0) chat.say("assistant");
    }
    if (isLarge && number === 3) QUIRKS["a paste past 4 MiB"]?.(chat);
    const asked = chat.say("user", "And then?");
    const answered = chat.say("assistant", "Then nothing.");
    if (number % (2 * ENDINGS.length) === 0) {
      // The person looked at another answer, and went back to the first: only `current_node` says so.
      chat.tip = asked;
      chat.say("assistant", "Then the ferry.");
      chat.tip = answered;
    }
    const title = number % 13 === 12 ? null : `Trams ${number} 😀`;
    const conversation: Record<string, unknown> = {
      title,
      create_time: chat.hasTimes ? FIRST_SECOND + (seed * 1_000 + number) * 100_000 : null,
      update_time: FIRST_SECOND + 1_000_000_000,
      mapping: chat.mapping,
      [number % 5 === 4 ? "id" : "conversation_id"]: chat.id,
    };
    // The last message without a follower is where the person is, so that every way of finding it finds the same.
    ENDINGS[number % ENDINGS.length]?.(chat, conversation);
    const created = conversation["create_time"];
    conversations.push(conversation);
    expected.push({
      id: chat.id,
      title: title ?? undefined,
      createdAt: typeof created === "number" ? new Date(created * 1_000).toISOString() : undefined,
      messages: chat.messages,
      head: chat.headOf(chat.tip),
    });
  }
  conversations.splice(Math.floor(count / 2), 0, { title: "a shell", conversation_id: "shell" }, 7);
  ledger.count("bad", "has no object mapping");
  ledger.count("bad", "has no object mapping");
  const { skipped, noted, bad, warnings } = ledger;
  return { conversations, expected, skipped, noted, bad, warnings };
}
