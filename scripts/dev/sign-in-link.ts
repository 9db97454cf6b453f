import { StartError } from "./start-error.ts";

/**
 * Makes a link that opens the inspector of a running service signed in with the admin key's rights. It works once,
 * within minutes.
 */
export async function makeSignInLink({ url, adminKey }: { url: string; adminKey: string }): Promise<string> {
  const response = await fetch(`${url}/inspector/links`, {
    method: "POST",
    headers: { authorization: `Bearer ${adminKey}` },
  });
  if (response.status !== 201) {
    throw new StartError(`The service at ${url} gave no link (${response.status}): ${await response.text()}`);
  }
  const { path }: { path: string } = JSON.parse(await response.text());
  return `${url}${path}`;
}
