import { Violation } from "./violation.ts";

/** Calls a method of an object by its name. */
export async function invoke(instance: object, method: string, args: readonly unknown[]): Promise<unknown> {
  const member: unknown = Reflect.get(instance, method);
  if (typeof member !== "function") throw new Violation(0, `${method} is called, but a session has no such method`);
  return Reflect.apply(member, instance, args) as unknown;
}
