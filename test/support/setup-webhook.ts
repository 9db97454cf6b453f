import type { TestProject } from "vitest/node";
import "./provided.ts";
import { startStandInWebhook } from "./stand-in-webhook.ts";

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const webhook = await startStandInWebhook();
  project.provide("standInWebhookUrl", webhook.url);
  return webhook.close;
}
