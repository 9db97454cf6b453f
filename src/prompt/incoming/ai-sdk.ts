import { Buffer } from "node:buffer";
import type { AiSdkFileDataIn, AiSdkMessageIn, AiSdkPartIn } from "../../api/incoming-ai-sdk.ts";
import type { Part } from "../../api/message.ts";
import { heldFile, isGiven, ownOf, type TakenMessages, takenOf, textTaken } from "./taken.ts";

/** Converts a ModelMessage of the AI SDK. Most of its parts have our form already. */
export function fromAiSdk(message: AiSdkMessageIn, path: string): TakenMessages {
  const fields = { ...ownOf(message), role: message.role };
  if (typeof message.content === "string") return textTaken(fields, path, message.content);
  const parts: readonly AiSdkPartIn[] = message.content;
  return takenOf(
    fields,
    path,
    parts.map((part, index) => ({ part: toPart(part), path: `${path}/content/${index}` })),
  );
}

function toPart(part: AiSdkPartIn): Part {
  switch (part.type) {
    case "text":
    case "reasoning":
      return { type: part.type, text: part.text, ...optionsOf(part) };
    case "image":
      return { type: "file", mediaType: part.mediaType ?? "image/*", data: toData(part.image), ...optionsOf(part) };
    case "file": {
      const { mediaType, data, filename } = part;
      const named = isGiven(filename) ? { filename } : {};
      return { type: "file", mediaType, data: toData(data), ...named, ...optionsOf(part) };
    }
    case "tool-call": {
      const { type, toolCallId, toolName, input } = part;
      return { type, toolCallId, toolName, input, ...flagsOf(part), ...optionsOf(part) };
    }
    case "tool-result": {
      const { type, toolCallId, toolName, output } = part;
      return { type, toolCallId, toolName, output, ...flagsOf(part), ...optionsOf(part) };
    }
    default: {
      const { type, ...data } = part;
      return { type: `data-${type}`, data: JSON.parse(JSON.stringify(data)) };
    }
  }
}

function optionsOf({ providerOptions }: Pick<Extract<Part, { type: "text" }>, "providerOptions">) {
  return providerOptions === undefined ? {} : { providerOptions };
}

function flagsOf({
  providerExecuted,
  dynamic,
}: {
  readonly providerExecuted?: boolean | undefined;
  readonly dynamic?: boolean | undefined;
}) {
  return {
    ...(providerExecuted === undefined ? {} : { providerExecuted }),
    ...(dynamic === undefined ? {} : { dynamic }),
  };
}

function toData(data: AiSdkFileDataIn): string {
  if (typeof data === "string") return data;
  switch (data.type) {
    case "data":
      return data.data;
    case "url":
      return data.url;
    case "text":
      return Buffer.from(data.text, "utf8").toString("base64");
    case "reference": {
      const [[provider, id] = ["", ""]] = Object.entries(data.reference);
      return heldFile(provider, id);
    }
  }
}
