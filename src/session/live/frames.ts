import { z } from "zod";
import { type Fault, ThreadkeepError } from "../../api/errors.ts";
import { mendedPaths, parseRequest } from "../../api/faults.ts";
import { refuseManyValues } from "../../api/json-values.ts";
import { MAX_FRAME_BYTES } from "../../api/limits.ts";
import { type ClientFrame, clientFrameSchema, contextFrameSchema } from "../../api/live.ts";
import { byteLength } from "../../api/text.ts";

/** A frame that was received: parsed, or the fault. `isUnreadable`: the socket has to be closed. */
export type Received =
  | { readonly frame: ClientFrame; readonly mended: readonly string[] }
  | { readonly fault: Fault; readonly id?: string; readonly isUnreadable: "binary" | "tooLarge" | null };

/** An acknowledgement (`{"type":"ack","rev":…}`) is never longer than this, in UTF-16 units or bytes. */
export const MAX_ACKNOWLEDGEMENT_LENGTH = 256;

/** Type and id of a frame that is refused before it is parsed, as far as they could be read. */
export interface FrameName {
  readonly type?: "append" | "branch" | "context" | undefined;
  readonly id?: string | undefined;
}

const frameRequestSchema = z.object({ body: clientFrameSchema });
const namedSchema = z.object({ id: contextFrameSchema.shape.id });

const typedSchema = z.object({ type: z.enum(["append", "branch", "context"]) });

/**
 * How much of such a frame is searched for its type and id: it may have a megabyte, and its sender is not charged for
 * this.
 */
const MAX_NAMED_LENGTH = 1_024;
const OPENING = /^\s{0,9}\{/;
/** A `type` or `id` member at the beginning of the frame. */
const MEMBER = /\s{0,9}"(?<name>type|id)"\s{0,9}:\s{0,9}"(?<text>[^"\\\p{Cc}]{1,256})"\s{0,9}[,}]/uy;

/**
 * Reads the type and id of a frame without parsing it, so that the error can name it. Finds them only at the beginning
 * of the frame.
 */
export function nameOfFrame(data: string | ArrayBuffer): FrameName {
  if (typeof data !== "string") return {};
  const head = data.slice(0, MAX_NAMED_LENGTH);
  const told: Record<string, string> = {};
  MEMBER.lastIndex = OPENING.exec(head)?.[0].length ?? head.length;
  for (let found = MEMBER.exec(head); found !== null; found = MEMBER.exec(head)) {
    const { name = "", text = "" } = found.groups ?? {};
    told[name] = text;
  }
  return { type: typedSchema.safeParse(told).data?.type, id: namedSchema.safeParse(told).data?.id };
}

/**
 * Parses a frame. Never throws: what is wrong is returned.
 * @param isByUser whether a user sent it: then the number of its JSON values is checked before it is parsed
 */
export function readFrame(data: string | ArrayBuffer, isByUser = false): Received {
  if (typeof data !== "string") return { fault: BINARY_FRAME, isUnreadable: "binary" };
  // A character has at least one byte, so a far larger frame need not be measured.
  if (data.length > MAX_FRAME_BYTES || byteLength(data) > MAX_FRAME_BYTES) {
    return { fault: LARGE_FRAME, isUnreadable: "tooLarge" };
  }
  let body: unknown;
  try {
    if (isByUser) refuseManyValues(data);
    body = JSON.parse(data);
  } catch (error) {
    const { id } = nameOfFrame(data);
    if (error instanceof ThreadkeepError)
      return { fault: error.fault, isUnreadable: null, ...(id === undefined ? {} : { id }) };
    return { fault: MALFORMED_FRAME, isUnreadable: null };
  }
  try {
    const parsed = parseRequest(frameRequestSchema, { params: {}, query: {}, headers: {}, body });
    return { frame: parsed.body, mended: mendedPaths(body, false) };
  } catch (error) {
    if (!(error instanceof ThreadkeepError)) throw error;
    const named = namedSchema.safeParse(body);
    return { fault: error.fault, isUnreadable: null, ...(named.success ? { id: named.data.id } : {}) };
  }
}

const BINARY_FRAME: Fault = {
  code: "unsupported_media_type",
  detail: "Frames must be JSON text; this one is binary. Connect again with `since`, and send text frames.",
};
const LARGE_FRAME: Fault = {
  code: "frame_too_large",
  detail: `A frame may have at most ${MAX_FRAME_BYTES} bytes. Connect again with \`since\`, and send the messages in several smaller frames.`,
  facts: { maxBytes: MAX_FRAME_BYTES },
};
const MALFORMED_FRAME: Fault = {
  code: "malformed_json",
  detail: "The frame is not valid JSON. Nothing was changed. Correct the JSON and send it again.",
};
