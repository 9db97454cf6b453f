// Which processes of this machine are connected to a service on loopback.
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { readCommandLine } from "./processes.ts";

/** The programs that npm's package of wrangler runs as. */
const WRANGLER = /[\\/]wrangler[\\/](?:bin[\\/]wrangler|wrangler-dist[\\/]cli)\.js(?:\s|$)/;

/**
 * Whether wrangler is connected to a port of this machine just now, run by whoever runs this. False where the system does not tell,
 * as on Windows.
 */
export function isWranglerConnectedTo(port: number): boolean {
  return clientsOf(port).some((pid) => WRANGLER.test(readCommandLine(pid) ?? ""));
}

/** The processes that hold a connection to a port of loopback, as far as the system tells this user. */
export function clientsOf(port: number): number[] {
  if (process.platform === "linux") return linuxClientsOf(port);
  if (process.platform === "darwin") return macClientsOf(port);
  return [];
}

/** proc(5): a line of /proc/net/tcp has the local address second, the remote one third, and the socket's inode tenth. */
function linuxClientsOf(port: number): number[] {
  const remote = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const sockets = new Set(
    ["tcp", "tcp6"].flatMap((table) =>
      linesOf(`/proc/net/${table}`)
        .map((line) => line.trim().split(/\s+/))
        .filter(([, , address = "", , , , , , , inode]) => address.endsWith(remote) && inode !== "0")
        .map((fields) => `socket:[${fields[9]}]`),
    ),
  );
  if (sockets.size === 0) return [];
  return namesIn("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => namesIn(`/proc/${pid}/fd`).some((fd) => sockets.has(linkOf(`/proc/${pid}/fd/${fd}`))))
    .map(Number);
}

function macClientsOf(port: number): number[] {
  try {
    const output = execFileSync("lsof", ["-nP", "-Fpn", `-iTCP:${port}`, "-sTCP:ESTABLISHED"], { encoding: "utf8" });
    // Blocks of p<PID>, f<FD>, n<LOCAL>-><REMOTE>: both ends name the port, and the client has it on its right.
    return output
      .split(/^p/m)
      .filter((block) => new RegExp(`^n.*->.*:${port}$`, "m").test(block))
      .map((block) => Number.parseInt(block, 10));
  } catch {
    return []; // lsof ends with 1 when there is no such connection
  }
}

function linesOf(file: string): string[] {
  try {
    return readFileSync(file, "utf8").split("\n").slice(1);
  } catch {
    return []; // a machine without IPv6 has no such table
  }
}

/** Of another user's process nothing is told, and one that has ended has nothing. */
function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function linkOf(place: string): string {
  try {
    return readlinkSync(place);
  } catch {
    return ""; // closed meanwhile
  }
}
