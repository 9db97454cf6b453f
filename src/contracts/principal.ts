import { z } from "zod";

export const scopeSchema = z.enum(["memory:read", "memory:write", "memory:erase", "ops", "admin"]);
export type Scope = z.infer<typeof scopeSchema>;

/** Who is calling, as every surface hands it to the operations. */
export interface Principal {
  readonly kind: "tenant-key" | "user" | "admin";
  /** Names what was shown, never its secret: `deployment-key`, `admin`, `key:<keyId>` or `user:<sub>`. For limits and the audit. */
  readonly id: string;
  readonly tenant: string;
  /** The user it speaks for, or `-`. */
  readonly owner: string;
  readonly scopes: readonly Scope[];
}
