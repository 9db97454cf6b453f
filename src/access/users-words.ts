/**
 * What a user may write: their own words. What has another's authority in a prompt (an instruction, an answer of the model, the result of a
 * tool) is for the back end, which holds a key. One rule for every surface.
 */

import { type FieldFault, ThreadkeepError } from "../api/errors.ts";
import type { Content, Part, Role } from "../api/message.ts";
import type { Principal } from "../api/principal.ts";
import type { UsersMay } from "../api/users-may.ts";

/** Whether somebody has a user's rights alone: by a token of their own, or by a ticket, whoever asked for that. */
export function isUser({ kind, ticket }: Pick<Principal, "kind" | "ticket">): boolean {
  return kind === "user" || ticket !== undefined;
}

/** What is written: a message that is new, or one as it is after an edit. */
export interface Written {
  readonly role: Role;
  readonly content?: Content | null | undefined;
  readonly [name: string]: unknown;
}

/** A message with its place in the request. */
export interface Placed {
  /** A JSON Pointer, such as `/messages/3`; empty where the body is the message. */
  readonly path: string;
  /** What names its role, where that is not in it. */
  readonly roleAt?: string;
  readonly message: Written;
  /** Where its parts stood, if they came in another shape. */
  readonly partPaths?: readonly string[] | null;
}

/** What says no more than who spoke, when and where. Whatever else a message may carry gives it a standing, such as `pinned`. */
const PLAIN_FIELDS = new Set(["id", "role", "author", "content", "metadata", "occurredAt", "afterSeq"]);

/** Refuses what a user may not write, each fault by its path. */
export function refuseForeignWords(placed: readonly Placed[], mayWrite: UsersMay["write"]): void {
  const errors = placed.flatMap((one) => faultsOf(one, mayWrite));
  if (errors.length > 0) throw foreignWords(errors);
}

export function foreignWords(errors: readonly FieldFault[]): ThreadkeepError {
  return new ThreadkeepError({
    code: "role_not_allowed",
    detail:
      "Users, and whoever comes with a ticket, write what the user says: messages of the role user, of text, files and data. Let your back end write the rest with its key, or ask the operator to open it (usersMay.write of the tenant). Nothing was changed.",
    errors,
  });
}

function faultsOf({ path, roleAt, message, partPaths }: Placed, mayWrite: UsersMay["write"] = []): FieldFault[] {
  if (mayWrite === "all") return [];
  const { role, content } = message;
  const roles = new Set<Role>(["user", ...mayWrite]);
  if (!roles.has(role)) {
    const detail = roleAt === undefined ? `is "${role}"` : `names a message of the role "${role}"`;
    return [{ path: roleAt ?? `${path}/role`, detail: `${detail}, and a user may write ${listOf([...roles])}` }];
  }
  const standing = Object.entries(message).flatMap(([name, value]) =>
    PLAIN_FIELDS.has(name) || value === undefined || value === null || value === false
      ? []
      : [{ path: `${path}/${name}`, detail: "is not a user's to set" }],
  );
  const parts = Array.isArray(content) ? content : [];
  return [
    ...standing,
    ...parts.flatMap((part, at) => {
      const fault = role === "user" ? faultOfOwn(part) : faultOfOpened(part, roles);
      if (fault === null) return [];
      return [{ path: partPaths?.[at] ?? `${path}/content/${at}/${fault.field}`, detail: fault.detail }];
    }),
  ];
}

interface PartFault {
  readonly field: string;
  readonly detail: string;
}

/** What is wrong with a part of what a user says. Names what is allowed: a part of a kind that comes later is refused until it stands here. */
function faultOfOwn(part: Part): PartFault | null {
  if (part.type.startsWith("data-")) return null;
  if (part.type !== "text" && part.type !== "file") return foreignKind(part.type);
  if ("providerOptions" in part && part.providerOptions !== undefined) {
    return {
      field: "providerOptions",
      detail: "is not a user's to set: it goes to the provider of the model as it is",
    };
  }
  if (part.type !== "file" || isOpenAddress(part.data)) return null;
  return {
    field: "data",
    detail: "must be base64 or an https address with a public name: whoever answers may fetch it from inside a network",
  };
}

/** What is wrong with a part of a message whose role the tenant opened. */
function faultOfOpened(part: Part, roles: ReadonlySet<Role>): PartFault | null {
  if (part.type === "text" || part.type === "file" || part.type.startsWith("data-")) return null;
  const needed: Role = part.type === "reasoning" ? "assistant" : "tool";
  return roles.has(needed) ? null : foreignKind(part.type);
}

function foreignKind(type: string): PartFault {
  return { field: "type", detail: `is "${type}", and a user may write parts of the type text, file or data-*` };
}

/** What is no address at all is inline. */
function isOpenAddress(data: string): boolean {
  const scheme = /^\s*([a-z][a-z0-9+.-]*):/i.exec(data)?.[1]?.toLowerCase();
  if (scheme === undefined || scheme === "data") return true;
  if (scheme !== "https" || !URL.canParse(data)) return false;
  const { hostname, username, password } = new URL(data);
  // The parser writes an IPv4 address in dotted form, however it was spelt.
  const isAddress = hostname.startsWith("[") || /^[\d.]+$/.test(hostname);
  return !isAddress && username === "" && password === "" && isPublicName(hostname.replace(/\.$/, ""));
}

/** RFC 6761, 6762 and 8375, what ICANN set aside for private use, and what it never delegates: they mean something inside a network alone. */
const INNER_NAMES = /(?:^|\.)(?:localhost|local|internal|intranet|lan|home|corp|mail|home\.arpa|test)$/;

function isPublicName(hostname: string): boolean {
  return hostname.includes(".") && !INNER_NAMES.test(hostname);
}

function listOf(roles: readonly string[]): string {
  return roles.length === 1 ? `${roles.join()} alone` : roles.join(", ");
}
