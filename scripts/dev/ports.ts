import { randomInt } from "node:crypto";
import { connect, createServer } from "node:net";

export const LOOPBACK = "127.0.0.1";

/**
 * Below the ports that systems lend to outgoing connections (from 32768 on Linux, from 49152 on macOS and Windows): a service that
 * is started again must find its port free, and not lent to somebody's client meanwhile.
 */
const FIRST_PORT = 20_000;
const LAST_PORT = 32_000;
const MAX_TRIES = 100;

/** A port that nothing listens on just now; the caller must be ready to lose the race for it. */
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
 * Asks both ways: macOS lets one bind 127.0.0.1 beside a listener on all addresses, and a bind fails on a closing port.
 * @returns `free`, `taken`, or the system's code for why this user cannot listen there
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

/** Null: it is granted. */
function refusalToListen(port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen(port, LOOPBACK, () => server.close(() => resolve(null)));
  });
}
