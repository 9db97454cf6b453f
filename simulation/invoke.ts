import { Violation } from "./violation.ts";

/** Calls an object by the name of what it is asked. */
export async function invoke(instance: object, method: string, args: readonly unknown[]): Promise<unknown> {
  const member: unknown = Reflect.get(instance, method);
  if (typeof member !== "function") throw new Violation(0, `somebody calls ${method}, which a session lacks`);
  return Reflect.apply(member, instance, args) as unknown;
}
