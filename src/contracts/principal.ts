import { z } from "zod";

export const scopeSchema = z.enum(["memory:read", "memory:write", "memory:erase", "ops", "admin"]);
export type Scope = z.infer<typeof scopeSchema>;

/** Who is calling, as every surface hands it to the operations. */
export interface Principal {
  readonly kind: "tenant-key" | "admin";
  readonly tenant: string;
  /** The user it speaks for, or `-`. */
  readonly owner: string;
  readonly scopes: readonly Scope[];
}
