/** Schemas that several variables share. */

import { z } from "zod";

/** Shorter keys can be guessed. */
const MIN_KEY_LENGTH = 20;

export const secret = (name: string) =>
  z.string({ error: `${name} is missing: set it with "wrangler secret put ${name}"` }).min(MIN_KEY_LENGTH, {
    error: `${name} is too short: set ${MIN_KEY_LENGTH} random characters or more with "wrangler secret put ${name}"`,
  });

const LOOPBACK = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/**
 * Whether a URL is encrypted (https) or on this machine, because chats, keys and alerts must not cross a network
 * unencrypted. URLs with a user name are refused, because `fetch` refuses them.
 */
export function isSafeUrl(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || url.username !== "" || url.password !== "") return false;
  return url.protocol === "https:" || (url.protocol === "http:" && LOOPBACK.test(url.hostname));
}

export const safeUrlOrEmpty = (error: string) =>
  z
    .string({ error })
    .refine((text) => text === "" || isSafeUrl(text), { error })
    .transform((text) => (text === "" ? "" : new URL(text).href));

export const wholeNumber = (min: number, max: number, error: string) =>
  z.coerce.number({ error }).int({ error }).min(min, { error }).max(max, { error });

/** Up to 9,999.999999 US dollars per million tokens, which is more than any model costs. */
const PRICE = /^(?:\d{1,4}(?:\.\d{1,6})?)?$/;

/** The schema of a price. It parses to null if the variable is empty. */
export const price = (name: string) =>
  z.coerce
    .string()
    .regex(PRICE, { error: `${name} must be US dollars per million tokens, such as 0.15, or empty` })
    .transform((text) => (text === "" ? null : Number(text)));
