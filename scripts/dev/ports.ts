import { randomInt } from "node:crypto";
import { connect, createServer } from "node:net";

export const LOOPBACK = "127.0.0.1";

/**
 * Below the ports that systems assign to outgoing connections (from 32768 on Linux, from 49152 on macOS and Windows),
 * so that a service finds its port free when it is restarted.
 */
const FIRST_PORT = 20_000;
const LAST_PORT = 32_000;
const MAX_TRIES = 100;

/** Finds a port that nothing listens on. Another process may take it before the caller does. */
export async function findFreePort(): Promise<number> {
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    const port = randomInt(FIRST_PORT, LAST_PORT);
    if (await isPortFree(port)) return port;
  }
  throw new Error(`No free port was found between ${FIRST_PORT} and ${LAST_PORT}`);
}

export async function isPortFree(port: number): Promise<boolean> {
  return (await lookAtPort(port)) === "free";
}

/**
 * Tries both to connect and to bind: macOS allows binding 127.0.0.1 beside a listener on all addresses, and binding
 * fails on a port that is being closed.
 * @returns `free`, `taken`, or the system's error code if this user may not listen there
 */
export async function lookAtPort(port: number): Promise<string> {
  if (await doesAnyoneAnswer(port)) return "taken";
  const refusal = await refusalToListen(port);
  return refusal === null ? "free" : refusal === "EADDRINUSE" ? "taken" : refusal;
}

function doesAnyoneAnswer(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: LOOPBACK });
    const finish = (answered: boolean): void => {
      socket.destroy();
      resolve(answered);
    };
    socket.once("connect", () => finish(true));
    socket.once("error", () => finish(false));
    socket.setTimeout(1_000, () => finish(true));
  });
}

/** Null if listening is allowed. */
function refusalToListen(port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen(port, LOOPBACK, () => server.close(() => resolve(null)));
  });
}
