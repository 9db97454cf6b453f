/**
 * Every use case is wrapped here, so that no surface can bypass it: the caller is authorized first, and the result is
 * measured and audited.
 */

import { requireScope } from "../access/scopes.ts";
import type { AuditDetails } from "../api/audit.ts";
import type { Scope } from "../api/principal.ts";
import { faultOf } from "../api/problem.ts";
import { type RequestAction, termsOfRequest } from "../api/requests.ts";
import { sessionIdSchema } from "../api/session.ts";
import type { Audited } from "../telemetry/audit.ts";
import type { RequestContext } from "./request-context.ts";

/** What a use case was about, as far as its caller's tenant and its first argument do not say it. */
export interface Subject {
  readonly session?: string;
  /** Null: no particular tenant. */
  readonly tenant?: string | null;
  readonly details?: AuditDetails;
}

export interface UseCaseSpec<A extends readonly unknown[], T> {
  /** Its row in the table of requests. */
  readonly action: RequestAction;
  /** Whether the first argument is not a session id. Then `tell` returns what it was about. */
  readonly isSessionless?: boolean;
  readonly tell?: (result: T, ...args: A) => Subject;
}

interface UseCase<A extends readonly unknown[], T> {
  (call: RequestContext, ...args: A): Promise<T>;
  readonly action: RequestAction;
}

/** Creates a use case: its body runs only for callers with its scopes. */
export function useCase<A extends readonly unknown[], T>(
  spec: UseCaseSpec<A, T>,
  body: (call: RequestContext, ...args: A) => Promise<T>,
): UseCase<A, T> {
  const { action, isSessionless = false, tell } = spec;
  const { scopes, audit } = termsOfRequest(action);
  const perform = async (call: RequestContext, ...args: A): Promise<T> => {
    const session = isSessionless ? null : sessionIdOf(args[0]);
    const startedAt = Date.now();
    let result: T;
    try {
      for (const scope of scopes) requireScope(call.principal, scope);
      result = await body(call, ...args);
    } catch (error) {
      const { code } = faultOf(error);
      measure(call, action, code, startedAt);
      call.parts.audit.refuse({ ...auditedOf(call, action), session, result: code });
      throw error;
    }
    measure(call, action, "ok", startedAt);
    if (audit === "each") {
      const subject: Subject = tell?.(result, ...args) ?? {};
      const { tenant = call.principal.tenant, session: told = session, details = {} } = subject;
      call.parts.audit.record({ ...auditedOf(call, action), tenant, session: told, result: "ok" }, details);
    }
    return result;
  };
  return Object.assign(perform, { action });
}

/**
 * The first scope of these requests that the caller lacks, for a surface that refuses the caller before it calls a use
 * case. The refusal is measured and audited as if the use case had been called.
 */
export function refuseAhead(call: RequestContext, actions: readonly RequestAction[]): Scope | undefined {
  for (const action of actions) {
    const lacking = termsOfRequest(action).scopes.find((scope) => !call.principal.scopes.includes(scope));
    if (lacking === undefined) continue;
    measure(call, action, "forbidden", Date.now());
    call.parts.audit.refuse({ ...auditedOf(call, action), session: null, result: "forbidden" });
    return lacking;
  }
  return undefined;
}

function measure({ principal, parts }: RequestContext, action: RequestAction, result: string, startedAt: number): void {
  const { tenant, kind: actor } = principal;
  parts.metrics?.operation({ action, result, tenant, actor, durationMs: Date.now() - startedAt });
}

function auditedOf(
  { principal, requestId, from }: RequestContext,
  action: RequestAction,
): Omit<Audited, "session" | "result"> {
  const { tenant, owner, kind, id } = principal;
  return { tenant, owner, actor: { kind, id }, action, requestId, from };
}

function sessionIdOf(value: unknown): string | null {
  const parsed = sessionIdSchema.safeParse(value);
  return parsed.success ? parsed.data : null;
}
