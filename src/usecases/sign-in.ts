import type { SignInOffice } from "../access/sign-in.ts";
import type { RequestContext } from "./request-context.ts";
import { useCase } from "./use-case.ts";

export type { SignInOffice } from "../access/sign-in.ts";

/** Makes a link that signs its first reader in to the inspector, with what its maker may do. */
export const createSignInLink = useCase(
  { action: "createSignInLink", isSessionless: true },
  async ({ principal }: RequestContext, office: SignInOffice): Promise<{ path: string; expiresAt: string }> => {
    const { text, expiresAt } = office.issueTicket(principal);
    // After the #: a browser sends it to no server, so that no log has it.
    return { path: `/#sign-in=${text}`, expiresAt: new Date(expiresAt).toISOString() };
  },
);
