/** A file that was dropped anywhere on the page. Without this the browser would leave the page and show the file. */

import { signal } from "@preact/signals";
import { problem } from "./problem.ts";
import { go, route } from "./route.ts";
import { caller, may } from "./sign-in.ts";

/** Waits here until the import dialog reads it. */
export const droppedFile = signal<File | null>(null);

const holdsFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes("Files") === true;

addEventListener("dragover", (event) => {
  if (holdsFiles(event)) event.preventDefault();
});

addEventListener("drop", (event) => {
  if (!holdsFiles(event)) return;
  event.preventDefault();
  const file = event.dataTransfer?.files[0];
  if (file === undefined || caller.value === null) return;
  if (!may("memory:write")) {
    problem.value = "This key may not add a chat: it lacks the scope memory:write. Sign in with one that has it.";
    return;
  }
  droppedFile.value = file;
  if (route.value.view !== "sessions") go("#/sessions");
});
