/** Shows the parts of a message: text, files, reasoning, tool calls and their results. */

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { Content, Part } from "../../src/api/message.ts";
import { Markdown, PlainText } from "../parts/markdown.tsx";
import { visibleText } from "../parts/visible-text.tsx";
import { beginning, bytes, number } from "../text.ts";

/** Longer texts are shown in full on request, because a message may have megabytes. */
const LONG_TEXT = 4_000;
const BLANK = /^[ \t\r\n]+$/;
/** Characters of a call's input or of a result in its one-line preview. */
const LINE = 90;

export function MessageContent({ content }: { content: Content }) {
  if (typeof content === "string") return <LongText text={content} />;
  return <>{content.map((part, index) => partView(part, index))}</>;
}

function partView(part: Part, key: number): ComponentChildren {
  switch (part.type) {
    case "text":
      return <LongText key={key} text={part.text} />;
    case "reasoning":
      return (
        <Fold key={key} label="Reasoning" line={beginning(part.text, LINE)}>
          <PlainText text={part.text} />
        </Fold>
      );
    case "file":
      return (
        <p key={key} class="file-note">
          {fileText(part)}
        </p>
      );
    case "tool-call":
      return (
        <Fold key={key} label={`Calls ${part.toolName}`} line={beginning(asText(part.input), LINE)}>
          <pre tabIndex={0}>{visibleText(asText(part.input, 2))}</pre>
        </Fold>
      );
    case "tool-result":
      return (
        <Fold key={key} label={`Result of ${part.toolName}`} line={beginning(outputText(part.output), LINE)}>
          <pre tabIndex={0}>{visibleText(outputText(part.output, 2))}</pre>
        </Fold>
      );
    default:
      return (
        <Fold key={key} label={`Data ${part.type.slice("data-".length)}`} line="stored, never sent to the model">
          <pre tabIndex={0}>{visibleText(asText(part.data, 2))}</pre>
        </Fold>
      );
  }
}

function LongText({ text }: { text: string }) {
  const [isWhole, setWhole] = useState(false);
  if (BLANK.test(text)) return <p class="note">Only spaces and line breaks.</p>;
  if (text.length <= LONG_TEXT) return <Markdown text={text} />;
  return (
    <>
      {isWhole ? <Markdown text={text} /> : <PlainText text={`${text.slice(0, LONG_TEXT)}…`} />}
      <button type="button" class="quiet" onClick={() => setWhole(!isWhole)}>
        {isWhole ? "Show less" : `Show all ${number(text.length)} characters`}
      </button>
    </>
  );
}

function Fold({ label, line, children }: { label: string; line: string; children: ComponentChildren }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <details class="fold" onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>
        <b>{visibleText(label)}</b> <span class="note">{visibleText(line)}</span>
      </summary>
      {isOpen ? children : null}
    </details>
  );
}

function fileText({ mediaType, filename, data }: Extract<Part, { type: "file" }>): ComponentChildren {
  const isAddress = /^https?:/i.test(data);
  const size = isAddress ? visibleText(data) : bytes(Math.round((data.length * 3) / 4));
  return (
    <>
      {mediaType.startsWith("image/") ? "image" : "file"}{" "}
      {filename === undefined ? null : <>“{visibleText(filename)}” </>}
      {visibleText(mediaType)}, {size}
    </>
  );
}

/** The AI SDK wraps results in an object with their type. */
function outputText(output: unknown, indent = 0): string {
  if (typeof output === "object" && output !== null && "value" in output) return asText(output.value, indent);
  return asText(output, indent);
}

function asText(value: unknown, indent = 0): string {
  return typeof value === "string" ? value : (JSON.stringify(value, null, indent) ?? "");
}

/** The text of a message, for a title or a preview. */
export function wordsOf(content: Content): string {
  if (typeof content === "string") return content;
  const words = content.flatMap((part) => (part.type === "text" ? [part.text] : []));
  if (words.length > 0) return words.join(" ");
  const [first] = content;
  if (first === undefined) return "";
  if (first.type === "tool-call") return `Calls ${first.toolName}`;
  if (first.type === "tool-result") return `Result of ${first.toolName}`;
  return first.type === "file" ? `A file, ${first.mediaType}` : first.type;
}
