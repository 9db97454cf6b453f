/** The page at `/docs`: Swagger UI for this service's OpenAPI document, and a table of the problem codes below it. */

import SwaggerUI from "swagger-ui-dist/swagger-ui-es-bundle.js";
import "swagger-ui-dist/swagger-ui.css";
import { nameControls } from "./name-controls.ts";
import { plainPlugin } from "./plain.ts";
import { listProblems } from "./problems.ts";
import { searchPlugin } from "./search.ts";

followColorScheme();
await showReference(element("reference"));

async function showReference(place: Element): Promise<void> {
  const answer = await fetch("/openapi.json");
  if (!answer.ok) {
    place.textContent = `The OpenAPI document could not be read (status ${answer.status}). Load the page again.`;
    return;
  }
  const document = await answer.json();
  place.replaceChildren();
  element("problems").append(listProblems(document));
  // Read first, because Swagger UI removes fragments that it does not know from the address.
  const problem = window.document.getElementById(location.hash.slice(1));
  SwaggerUI({
    spec: document,
    domNode: place,
    deepLinking: true,
    filter: true,
    docExpansion: "list",
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    // Its colours are hard to read, and it takes long for large answers.
    syntaxHighlight: { activated: false },
    // A key that is entered here is forgotten when the page is closed.
    persistAuthorization: false,
    // By default, Swagger UI would send the document to a server of its own.
    validatorUrl: null,
    plugins: [searchPlugin, plainPlugin],
  });
  nameControls(place);
  if (problem !== null) scrollOnceShown(problem, place);
}

/**
 * `/docs#problem-CODE` is the `type` of a problem document. Scrolls to the problem's row once the content above it has
 * its final height.
 */
function scrollOnceShown(row: Element, operations: Element): void {
  const show = (): void => {
    if (operations.querySelector(".opblock") === null) return;
    observer.disconnect();
    row.scrollIntoView();
  };
  const observer = new MutationObserver(show);
  observer.observe(operations, { childList: true, subtree: true });
  show();
}

/** Swagger UI has a dark scheme, which a class of the root element turns on. */
function followColorScheme(): void {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const follow = (): void => void document.documentElement.classList.toggle("dark-mode", dark.matches);
  follow();
  dark.addEventListener("change", follow);
}

function element(id: string): Element {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`docs.html has no #${id}`);
  return found;
}
