import { type ToolContentEntry, type ToolOutput, toolOutputSchema } from "../api/context-ai-sdk.ts";
import type { Part } from "../api/message.ts";
import type { Json } from "../api/text.ts";
import { fileInWords } from "./file-words.ts";
import { jsonWithoutBytes, textWithoutBytes } from "./inline-bytes.ts";

type TextPart = Extract<Part, { type: "text" }>;
type FilePart = Extract<Part, { type: "file" }>;

/**
 * Parses a tool's output as the AI SDK's envelope. Anything that does not match its schema exactly counts as plain
 * JSON.
 */
export function toToolOutput(output: Json): ToolOutput {
  if (typeof output === "string") return { type: "text", value: output };
  const parsed = toolOutputSchema.safeParse(output);
  return parsed.success ? parsed.data : { type: "json", value: output };
}

/** The output as a model gets it: files inside its text are replaced by descriptions. */
export function promptedOutput(output: Json): ToolOutput {
  const envelope = toToolOutput(output);
  switch (envelope.type) {
    case "text":
    case "error-text":
      return { ...envelope, value: textWithoutBytes(envelope.value) };
    case "json":
    case "error-json":
      return { ...envelope, value: jsonWithoutBytes(envelope.value) };
    case "execution-denied":
      return envelope;
    case "content":
      return {
        type: "content",
        value: envelope.value.map((entry) =>
          entry.type === "text" ? { ...entry, text: textWithoutBytes(entry.text) } : entry,
        ),
      };
  }
}

/** The output as text and file parts, for providers that take files from tools. */
export function outputParts(output: ToolOutput): (TextPart | FilePart)[] {
  if (output.type !== "content") return [{ type: "text", text: outputText(output) }];
  return output.value.map(entryPart);
}

/** Converts one entry of a tool's output into a message part. */
export function entryPart(entry: ToolContentEntry): TextPart | FilePart {
  switch (entry.type) {
    case "text":
      return { type: "text", text: entry.text };
    case "file":
      if (entry.data.type === "text") return { type: "text", text: entry.data.text };
      if (entry.data.type === "reference") return leftOut("file");
      return {
        type: "file",
        mediaType: entry.mediaType,
        data: entry.data.type === "url" ? entry.data.url : entry.data.data,
        ...(entry.filename === undefined ? {} : { filename: entry.filename }),
      };
    case "file-data":
    case "image-data": {
      const { mediaType, data } = entry;
      const filename = "filename" in entry ? entry.filename : undefined;
      return { type: "file", mediaType, data, ...(filename === undefined ? {} : { filename }) };
    }
    case "file-url":
      return { type: "file", mediaType: entry.mediaType ?? "application/octet-stream", data: entry.url };
    case "image-url":
      return { type: "file", mediaType: "image/*", data: entry.url };
    case "image-file-id":
    case "image-file-reference":
      return leftOut("image");
    case "file-id":
    case "file-reference":
      return leftOut("file");
    case "custom":
      return { type: "text", text: "[content of one provider, left out]" };
  }
}

function leftOut(kind: string): TextPart {
  return { type: "text", text: `[${kind} that one provider holds, left out]` };
}

/** The output as text, for providers that take only text from tools. */
export function outputText(output: ToolOutput): string {
  switch (output.type) {
    case "text":
    case "error-text":
      return output.value;
    case "json":
    case "error-json":
      return typeof output.value === "string" ? output.value : JSON.stringify(output.value);
    case "execution-denied":
      return output.reason ?? "execution denied";
    case "content":
      return outputParts(output)
        .map((part) => (part.type === "text" ? part.text : fileInWords(part)))
        .join("\n");
  }
}

/** The files in a tool's output. */
export function outputFiles(output: ToolOutput): FilePart[] {
  if (output.type !== "content") return [];
  return outputParts(output).filter((part) => part.type === "file");
}

export function isFailure(output: ToolOutput): boolean {
  return output.type === "error-text" || output.type === "error-json" || output.type === "execution-denied";
}
