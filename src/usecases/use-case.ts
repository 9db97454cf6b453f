/** The one place that no surface can pass by: whoever calls a use case is authorized first, and what becomes of it is audited. */

import { requireScope } from "../access/scopes.ts";
import type { AuditAction, AuditDetails } from "../api/audit.ts";
import type { Scope } from "../api/principal.ts";
import { faultOf } from "../api/problem.ts";
import { sessionIdSchema } from "../api/session.ts";
import type { Audited } from "../telemetry/audit.ts";
import type { RequestContext } from "./request-context.ts";

/** What a use case was about, where its caller's tenant and its first argument do not say it. */
export interface Subject {
  readonly session?: string;
  /** Null: no tenant in particular. */
  readonly tenant?: string | null;
  readonly details?: AuditDetails;
}

export interface UseCaseSpec<A extends readonly unknown[], T> {
  /** As the API names it. */
  readonly action: AuditAction;
  /** The caller needs all of them. What needs more by what is asked for checks it by itself. */
  readonly scopes: readonly Scope[];
  /**
   * `each`: one event each time that it is done; `ranges`: many are told of at once, appends by the session's object, and the lines of an
   * import by how it ends; `refusals`: doing it is no event. Refusals are counted for all three.
   */
  readonly audit: "each" | "ranges" | "refusals";
  /** The first argument is no session's id: what it was about says `tell`. */
  readonly isSessionless?: boolean;
  readonly tell?: (result: T, ...args: A) => Subject;
}

type UseCase<A extends readonly unknown[], T> = (call: RequestContext, ...args: A) => Promise<T>;

const specs = new WeakMap<object, Pick<UseCaseSpec<never, never>, "action" | "audit" | "scopes">>();

/** A use case of what it does: the body runs for those alone that have its scopes. */
export function useCase<A extends readonly unknown[], T>(spec: UseCaseSpec<A, T>, body: UseCase<A, T>): UseCase<A, T> {
  const { action, scopes, audit, isSessionless = false, tell } = spec;
  const perform: UseCase<A, T> = async (call, ...args) => {
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
  specs.set(perform, spec);
  return perform;
}

/**
 * The first of the scopes of these operations that a caller lacks, for a surface that turns it away before it calls one of them: measured
 * and audited as if it had.
 */
export function refuseAhead(call: RequestContext, operations: readonly object[]): Scope | undefined {
  for (const made of operations) {
    const spec = specs.get(made);
    const lacking = spec?.scopes.find((scope) => !call.principal.scopes.includes(scope));
    if (spec === undefined || lacking === undefined) continue;
    measure(call, spec.action, "forbidden", Date.now());
    call.parts.audit.refuse({ ...auditedOf(call, spec.action), session: null, result: "forbidden" });
    return lacking;
  }
  return undefined;
}

/** What a use case was made with; undefined of any other function. */
export function specOf(made: object): Pick<UseCaseSpec<never, never>, "action" | "audit" | "scopes"> | undefined {
  return specs.get(made);
}

function measure({ principal, parts }: RequestContext, action: AuditAction, result: string, startedAt: number): void {
  const { tenant, kind: actor } = principal;
  parts.metrics?.operation({ action, result, tenant, actor, durationMs: Date.now() - startedAt });
}

function auditedOf(
  { principal, requestId, from }: RequestContext,
  action: AuditAction,
): Omit<Audited, "session" | "result"> {
  const { tenant, owner, kind, id } = principal;
  return { tenant, owner, actor: { kind, id }, action, requestId, from };
}

function sessionIdOf(value: unknown): string | null {
  const parsed = sessionIdSchema.safeParse(value);
  return parsed.success ? parsed.data : null;
}
