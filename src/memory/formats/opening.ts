/** What a prompt begins with. */
export interface Opening {
  /** The rendered summary; null if there is none. */
  readonly summary: string | null;
  /** The role that it speaks with. */
  readonly summaryRole: "user" | "system";
}
