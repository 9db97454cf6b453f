import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type Service, startService } from "../../scripts/dev/service.ts";

/** Starts an empty service. When it is closed, its data is deleted. */
export async function startTemporaryService(): Promise<Service & { close(): Promise<void> }> {
  const stateDir = mkdtempSync(path.join(tmpdir(), "threadkeep-inspector-"));
  const service = await startService({ stateDir, onNotice: (text) => console.error(text) });
  const close = async (): Promise<void> => {
    await service.stop();
    rmSync(stateDir, { recursive: true, force: true });
  };
  return Object.assign(service, { close });
}
