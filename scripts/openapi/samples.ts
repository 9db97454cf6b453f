/**
 * The examples of the OpenAPI document: one small support chat, as each route shows it. A test validates each with its
 * schema.
 */

import { keySamples } from "./samples/keys.ts";
import { liveSamples } from "./samples/live.ts";
import { messageSamples } from "./samples/messages.ts";
import { operatorSamples } from "./samples/operator.ts";
import { sessionSamples } from "./samples/sessions.ts";
import { summarySamples } from "./samples/summaries.ts";
import { tenantSamples } from "./samples/tenants.ts";
import { userSamples } from "./samples/users.ts";

export const sample = {
  ...sessionSamples,
  ...userSamples,
  ...messageSamples,
  ...liveSamples,
  ...summarySamples,
  ...operatorSamples,
  ...tenantSamples,
  ...keySamples,
};
