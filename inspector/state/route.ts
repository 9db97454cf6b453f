/** The current view, from the part of the address after #. */

import { signal } from "@preact/signals";
import { problem } from "./problem.ts";

export type Route =
  | { readonly view: "sessions" }
  | { readonly view: "session"; readonly id: string; readonly seq: number | null }
  | { readonly view: "user" }
  | { readonly view: "operations" };

export const route = signal<Route>(read());

function read(): Route {
  const [view = "", id = "", seq = ""] = location.hash.replace(/^#\/?/, "").split("/");
  if (view === "sessions" && id !== "") {
    return { view: "session", id: decode(id), seq: /^\d{1,9}$/.test(seq) ? Number(seq) : null };
  }
  if (view === "user" || view === "operations") return { view };
  return { view: "sessions" };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function sessionAddress(id: string, seq?: number): string {
  return `#/sessions/${encodeURIComponent(id)}${seq === undefined ? "" : `/${seq}`}`;
}

export function go(address: string): void {
  location.hash = address;
}

addEventListener("hashchange", () => {
  // An error of one view is not shown in the next.
  problem.value = "";
  route.value = read();
});
