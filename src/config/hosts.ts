/** The variable THREADKEEP_HOSTS: the host names under which requests are accepted. */

import { z } from "zod";
import { listed } from "./list.ts";

const NAME = "THREADKEEP_HOSTS";

const hostsSchema = z.array(
  z.string().refine(isHost, {
    error: `${NAME} must list names such as api.example or [::1], in small letters and without ports, with commas between them`,
  }),
);

export const hostsVariable = z
  .string({ error: `${NAME} must be text` })
  .transform(listed)
  .pipe(hostsSchema);

function isHost(text: string): boolean {
  return URL.canParse(`http://${text}`) && new URL(`http://${text}`).hostname === text;
}
