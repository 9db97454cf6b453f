import { z } from "zod";
import { type Fault, ThreadkeepError } from "../../api/errors.ts";
import { mendedPaths, parseRequest } from "../../api/faults.ts";
import { refuseManyValues } from "../../api/json-values.ts";
import { MAX_FRAME_BYTES } from "../../api/limits.ts";
import { type ClientFrame, clientFrameSchema, contextFrameSchema } from "../../api/live.ts";
import { byteLength } from "../../api/text.ts";

/** What came on a socket: a frame, or what is wrong with it. */
export type Received =
  | { readonly frame: ClientFrame; readonly mended: readonly string[] }
  | { readonly fault: Fault; readonly id?: string; readonly isUnreadable: "binary" | "tooLarge" | null };

/** What acknowledges is shorter: `{"type":"ack","rev":…}`. */
export const MAX_ACKNOWLEDGEMENT_LENGTH = 256;

/** What a frame that is not read is told by, as far as it says it. */
export interface FrameName {
  readonly type?: "append" | "branch" | "context" | undefined;
  readonly id?: string | undefined;
}

const frameRequestSchema = z.object({ body: clientFrameSchema });
const namedSchema = z.object({ id: contextFrameSchema.shape.id });

const typedSchema = z.object({ type: z.enum(["append", "branch", "context"]) });

/** Of a frame that is refused unread, so much is looked at: its sender may have sent a megabyte, and pays nothing for a look at it. */
const MAX_NAMED_LENGTH = 1_024;
const OPENING = /^\s{0,9}\{/;
/** A member that comes before what a frame is about. */
const MEMBER = /\s{0,9}"(?<name>type|id)"\s{0,9}:\s{0,9}"(?<text>[^"\\\p{Cc}]{1,256})"\s{0,9}[,}]/uy;

/** Of a frame that is refused unread, so that its sender knows which it was: as far as it begins with that. */
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

/** @param isByUser it is measured before it is parsed */
export function readFrame(data: string | ArrayBuffer, isByUser = false): Received {
  if (typeof data !== "string") return { fault: BINARY_FRAME, isUnreadable: "binary" };
  // Every character has a byte at least: a far larger frame need not be measured.
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
  detail: "Frames are JSON as text. Connect again with since, and send no binary frames.",
};
const LARGE_FRAME: Fault = {
  code: "frame_too_large",
  detail: `A frame may have ${MAX_FRAME_BYTES} bytes. Connect again with since, and send the messages in several smaller frames.`,
  facts: { maxBytes: MAX_FRAME_BYTES },
};
const MALFORMED_FRAME: Fault = {
  code: "malformed_json",
  detail: "The frame is not JSON. Nothing was changed; mend the JSON and send it again.",
};
