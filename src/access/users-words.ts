/**
 * What a user may write: their own messages. Content with another authority in a prompt (an instruction, a model's
 * answer, a tool's result) may be written only by a back end, which has a key. Every surface applies this rule.
 */

import { type FieldFault, ThreadkeepError } from "../api/errors.ts";
import type { Content, Part, Role } from "../api/message.ts";
import type { Principal } from "../api/principal.ts";
import type { UsersMay } from "../api/users-may.ts";

/**
 * Whether the caller has only a user's rights: with a user's token, or with a ticket, even if a back end issued it.
 */
export function isUser({ kind, ticket }: Pick<Principal, "kind" | "ticket">): boolean {
  return kind === "user" || ticket !== undefined;
}

/** A new message, or a message as it is after an edit. */
export interface Written {
  readonly role: Role;
  readonly content?: Content | null | undefined;
  readonly [name: string]: unknown;
}

/** A message and its place in the request. */
export interface Placed {
  /** A JSON Pointer, such as `/messages/3`; empty if the body is the message. */
  readonly path: string;
  /** The path that a wrong role is reported at, if it is not the message's own `role`. */
  readonly roleAt?: string;
  readonly message: Written;
  /** The paths of the message's parts, if the request has another format. */
  readonly partPaths?: readonly string[] | null;
}

/** The fields that a user may set. Every other field, such as `pinned`, gives the message a special treatment. */
const PLAIN_FIELDS = new Set(["id", "role", "author", "content", "metadata", "occurredAt", "afterSeq"]);

/**
 * @throws {ThreadkeepError} `role_not_allowed`, with the path of each fault, if a user may not write these messages
 */
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

/**
 * What is wrong with a part of a user's own message; null if it is allowed. It lists what is allowed, so new types of
 * parts are refused until they are added here.
 */
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

/** What is wrong with a part of a message whose role the tenant permits its users to write; null if it is allowed. */
function faultOfOpened(part: Part, roles: ReadonlySet<Role>): PartFault | null {
  if (part.type === "text" || part.type === "file" || part.type.startsWith("data-")) return null;
  const needed: Role = part.type === "reasoning" ? "assistant" : "tool";
  return roles.has(needed) ? null : foreignKind(part.type);
}

function foreignKind(type: string): PartFault {
  return { field: "type", detail: `is "${type}", and a user may write parts of the type text, file or data-*` };
}

/** Whether the data of a file is inline, or a URL that anybody may fetch. Text without a scheme is base64. */
function isOpenAddress(data: string): boolean {
  const scheme = /^\s*([a-z][a-z0-9+.-]*):/i.exec(data)?.[1]?.toLowerCase();
  if (scheme === undefined || scheme === "data") return true;
  if (scheme !== "https" || !URL.canParse(data)) return false;
  const { hostname, username, password } = new URL(data);
  // `URL` converts an IPv4 address to dotted form, however it was spelt.
  const isAddress = hostname.startsWith("[") || /^[\d.]+$/.test(hostname);
  return !isAddress && username === "" && password === "" && isPublicName(hostname.replace(/\.$/, ""));
}

/**
 * Names that have a meaning only inside a private network: RFC 6761, 6762 and 8375, names that ICANN reserves for
 * private use, and names that it will never delegate.
 */
const INNER_NAMES = /(?:^|\.)(?:localhost|local|internal|intranet|lan|home|corp|mail|home\.arpa|test)$/;

function isPublicName(hostname: string): boolean {
  return hostname.includes(".") && !INNER_NAMES.test(hostname);
}

function listOf(roles: readonly string[]): string {
  return roles.length === 1 ? `${roles.join()} alone` : roles.join(", ");
}
