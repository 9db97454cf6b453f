/** The inspector: what a chat remembers, and why. */

import { render } from "preact";
import { App } from "./app.tsx";
import { signInByLink } from "./state/sign-in.ts";

const root = document.getElementById("app");
if (root !== null) {
  // The ticket leaves the address before anything else can read or keep it.
  await signInByLink();
  render(<App />, root);
}
