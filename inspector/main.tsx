/** The inspector: shows what a chat remembers, and why. */

import { render } from "preact";
import { App } from "./app.tsx";
import { closeMenusWhenLeft } from "./parts/menu.ts";
import { signInByLink } from "./state/sign-in.ts";

const root = document.getElementById("app");
if (root !== null) {
  // Removes the ticket from the address before anything else can read or store it.
  await signInByLink();
  closeMenusWhenLeft();
  render(<App />, root);
}
