import { setTimeout as sleep } from "node:timers/promises";
import { lookAtPort, LOOPBACK } from "./ports.ts";
import { StartError } from "./start-error.ts";

// The port at which the service listens.

/** On most systems, only root may use ports up to this one. */
const LAST_PORT_OF_ROOT = 1023;
const LAST_PORT = 65_535;
/** The service's port if none is given. */
export const DEFAULT_PORT = 8787;

/** On a busy machine, the sockets of a killed process may close a little after it has ended. */
const PORT_PATIENCE_MS = 3_000;

/** The requested port, once it is free; null if any port will do. */
export async function checkPort(wanted: number | undefined): Promise<number | null> {
  if (wanted === undefined || wanted === 0) return null;
  const deadline = Date.now() + PORT_PATIENCE_MS;
  for (;;) {
    const found = await lookAtPort(wanted);
    if (found === "free") return wanted;
    if (found !== "taken") throw new StartError(describePort(wanted, found));
    if (Date.now() >= deadline) throw new StartError(describePort(wanted, found));
    await sleep(50);
  }
}

/**
 * @param found `taken`, or the system's error code if nobody can listen there
 * @internal Which sentence is shown depends on what takes the port, which no test can arrange each time.
 */
export function describePort(port: number, found: string): string {
  const next = port < LAST_PORT_OF_ROOT || port === LAST_PORT ? DEFAULT_PORT : port + 1;
  const other = `Choose another: npm start -- --port ${next} (or set PORT).`;
  if (found === "taken") return `Port ${port} is taken by another program. ${other}`;
  if (found === "EACCES" || found === "EPERM") {
    return `This user may not listen on port ${port}: systems keep ports under 1024 for root, and some keep others for themselves. ${other}`;
  }
  return `Nobody can listen on port ${port} of ${LOOPBACK} (${found}). ${other}`;
}
