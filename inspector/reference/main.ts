/** The page at `/docs`: Swagger UI on this service's own OpenAPI document, and a table of the problems below it. */

import SwaggerUI from "swagger-ui-dist/swagger-ui-es-bundle.js";
import "swagger-ui-dist/swagger-ui.css";
import { listProblems } from "./problems.ts";
import { searchPlugin } from "./search.ts";

followColorScheme();
await showReference(element("operations"));

async function showReference(place: Element): Promise<void> {
  const answer = await fetch("/openapi.json");
  if (!answer.ok) {
    place.textContent = `The OpenAPI document could not be read (status ${answer.status}). Load the page again.`;
    return;
  }
  const document = await answer.json();
  place.replaceChildren();
  element("problems").append(listProblems(document));
  // Swagger UI takes what it does not know out of the address.
  const problem = window.document.getElementById(location.hash.slice(1));
  SwaggerUI({
    spec: document,
    domNode: place,
    deepLinking: true,
    filter: true,
    docExpansion: "list",
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    // A key that is typed in here goes when the page goes.
    persistAuthorization: false,
    // The default is a server of Swagger's that the document would be sent to.
    validatorUrl: null,
    plugins: [searchPlugin],
  });
  if (problem !== null) scrollOnceShown(problem, place);
}

/** `/docs#problem-CODE` is the `type` of a problem document: it leads to the problem's row, once what stands above has its height. */
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

/** Swagger UI has a dark scheme, under a class of the root element that nothing else sets. */
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
