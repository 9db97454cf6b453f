/** The variable THREADKEEP_CORS_ORIGINS: the origins whose pages may call the API from a browser. */

import { z } from "zod";
import { listed } from "./list.ts";

const NAME = "THREADKEEP_CORS_ORIGINS";

const originsSchema = z.array(
  z.string().refine(isOrigin, {
    error: `${NAME} must list origins such as https://app.example or http://localhost:3000, with commas between them; * is none`,
  }),
);

export const originsVariable = z
  .string({ error: `${NAME} must be text` })
  .transform(listed)
  .pipe(originsSchema);

/**
 * Whether the text is an origin exactly as a browser writes it in the `Origin` header: with a path or a slash at its
 * end it would never match.
 */
function isOrigin(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : null;
  return url !== null && /^https?:$/.test(url.protocol) && url.origin === text && !text.includes("*");
}
