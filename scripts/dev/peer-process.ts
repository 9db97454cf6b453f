// Finds the processes on this machine that are connected to a local service.
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { readCommandLine } from "./processes.ts";

/** Matches the command lines of wrangler. */
const WRANGLER = /[\\/]wrangler[\\/](?:bin[\\/]wrangler|wrangler-dist[\\/]cli)\.js(?:\s|$)/;

/**
 * Whether a wrangler of the same user is connected to a local port at the moment. False if the system does not tell, as
 * on Windows.
 */
export function isWranglerConnectedTo(port: number): boolean {
  return clientsOf(port).some((pid) => WRANGLER.test(readCommandLine(pid) ?? ""));
}

/**
 * The processes connected to a local port, as far as the system reveals them to this user.
 * @internal A test can connect itself, but not as wrangler does.
 */
export function clientsOf(port: number): number[] {
  if (process.platform === "linux") return linuxClientsOf(port);
  if (process.platform === "darwin") return macClientsOf(port);
  return [];
}

/**
 * proc(5): in a line of /proc/net/tcp, the local address is second, the remote one third, and the socket's inode tenth.
 */
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
    // lsof prints blocks of p<PID>, f<FD>, n<LOCAL>-><REMOTE>. Both ends of a connection name the port; the client has
    // it on the right.
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

/** Other users' processes, and those that have ended, list nothing. */
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
