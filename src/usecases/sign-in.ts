import type { SignInOffice } from "../access/sign-in.ts";
import type { RequestContext } from "./request-context.ts";
import { useCase } from "./use-case.ts";

export type { SignInOffice } from "../access/sign-in.ts";

/** Creates a link that signs the first person who opens it in to the inspector, with the caller's rights. */
export const createSignInLink = useCase(
  { action: "createSignInLink", isSessionless: true },
  async ({ principal }: RequestContext, office: SignInOffice): Promise<{ path: string; expiresAt: string }> => {
    const { text, expiresAt } = office.issueTicket(principal);
    // The ticket is in the fragment (after #), which browsers do not send, so no server logs it.
    return { path: `/#sign-in=${text}`, expiresAt: new Date(expiresAt).toISOString() };
  },
);
