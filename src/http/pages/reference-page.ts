/** The reference at `/docs`: the OpenAPI document as one page that a person can read. No script, nothing from elsewhere. */

import { html, raw } from "hono/html";
import type {
  DocumentedAnswer,
  JsonSchema,
  MediaType,
  OpenApiDocument,
  Operation,
  Parameter,
} from "../openapi-document.ts";
import { pageAnswer } from "./page-answer.ts";

type Markup = ReturnType<typeof html>;

interface ListedOperation extends Operation {
  readonly method: string;
  readonly path: string;
}

/** An object inside objects beyond this is named, not spelt out. */
const MAX_SCHEMA_DEPTH = 5;
const SCHEMA_PREFIX = "#/components/schemas/";
const EXAMPLE_PREFIX = "#/components/examples/";

const rendered = new WeakMap<OpenApiDocument, Promise<string>>();

export async function answerReferencePage(document: OpenApiDocument): Promise<Response> {
  const page = rendered.get(document) ?? Promise.resolve(renderPage(document)).then(String);
  rendered.set(document, page);
  return pageAnswer(await page);
}

function renderPage(document: OpenApiDocument): Markup {
  const operations = listOperations(document);
  const groups = document.tags.map((tag) => ({
    ...tag,
    operations: operations.filter((operation) => operation.tags.includes(tag.name)),
  }));
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${document.info.title}: the HTTP API</title>
        <link rel="icon" href="data:," />
        <style>
          ${raw(STYLE)}
        </style>
      </head>
      <body>
        <a class="skip" href="#reference">Skip to the reference</a>
        <nav aria-label="Contents">
          <p class="name"><a href="/">${document.info.title}</a></p>
          ${groups.map(
            (group) => html`<h2>${group.name}</h2>
              <ul>
                ${group.operations.map(
                  (operation) => html`<li><a href="#${operation.operationId}">${operation.summary}</a></li>`,
                )}
              </ul>`,
          )}
          <h2>Shared</h2>
          <ul>
            <li><a href="#schemas">Schemas</a></li>
            <li><a href="#problems">Problems</a></li>
          </ul>
        </nav>
        <main id="reference" tabindex="-1">
          <h1>${document.info.title}: the HTTP API</h1>
          <p>${prose(document.info.description)}</p>
          <p>
            Send your key with every request: <code>Authorization: Bearer KEY</code>. For machines:
            <a href="/openapi.json">OpenAPI ${document.openapi}</a>.
          </p>
          ${groups.map(
            (group) => html`<section>
              <h2 class="group">${group.name}</h2>
              <p>${prose(group.description)}</p>
              ${group.operations.map((operation) => renderOperation(operation, document))}
            </section>`,
          )}
          ${renderSchemas(document)} ${renderProblems(document)}
        </main>
      </body>
    </html>`;
}

function listOperations(document: OpenApiDocument): ListedOperation[] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ ...operation, method: method.toUpperCase(), path })),
  );
}

function renderOperation(operation: ListedOperation, document: OpenApiDocument): Markup {
  const body = operation.requestBody?.content["application/json"];
  return html`<article id="${operation.operationId}">
    <h3><a href="#${operation.operationId}">${operation.summary}</a></h3>
    <p class="route">
      <b class="method ${operation.method.toLowerCase()}">${operation.method}</b> <code>${operation.path}</code>
    </p>
    <p>${prose(operation.description)}</p>
    ${renderParameters(operation.parameters ?? [])}
    ${
      body &&
      html`<h4>Body${operation.requestBody?.required === false ? ", optional" : ""}</h4>
        ${renderMediaType(body)}`
    }
    <details>
      <summary>Call it</summary>
      <pre tabindex="0">${curl(operation, body)}</pre>
    </details>
    <h4>Answers</h4>
    ${Object.entries(operation.responses).map(([status, answer]) => renderAnswer(status, answer, document))}
  </article>`;
}

function renderParameters(parameters: readonly Parameter[]): Markup | undefined {
  if (parameters.length === 0) return undefined;
  return html`<h4>Parameters</h4>
    <div class="scroll" tabindex="0" role="group" aria-label="Parameters">
      <table>
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">In</th>
            <th scope="col">Type</th>
            <th scope="col">What it is</th>
          </tr>
        </thead>
        <tbody>
          ${parameters.map(
            (parameter) => html`<tr>
              <th scope="row"><code>${parameter.name}</code>${parameter.required && html` <em>required</em>`}</th>
              <td>${parameter.in}</td>
              <td>${typeName(parameter.schema)} ${bounds(parameter.schema)}</td>
              <td>${prose(parameter.description)}</td>
            </tr>`,
          )}
        </tbody>
      </table>
    </div>`;
}

function renderAnswer(status: string, answer: DocumentedAnswer, document: OpenApiDocument): Markup {
  const isProblem = Number(status) >= 400;
  const content = Object.values(answer.content ?? {})[0];
  const headers = Object.entries(answer.headers ?? {}).filter(([name]) => name !== "X-Request-Id");
  return html`<details${raw(isProblem ? "" : " open")}>
<summary><b class="status">${status}</b> ${prose(answer.description)}</summary>
${headers.map(([name, header]) => html`<p><code>${name}</code>: ${prose(header.description)}</p>`)}
${content && (isProblem ? renderProblemExamples(content, document) : renderMediaType(content))}
</details>`;
}

function renderProblemExamples(content: MediaType, document: OpenApiDocument): Markup[] {
  if (content.examples === undefined) return [renderMediaType(content)];
  return Object.values(content.examples).map(({ $ref }) => {
    const example = document.components.examples[$ref.slice(EXAMPLE_PREFIX.length)];
    return renderExample(example?.value);
  });
}

function renderMediaType(content: MediaType): Markup {
  return html`${renderSchema(content.schema, 0)}${content.example !== undefined && renderExample(content.example)}`;
}

function renderExample(example: unknown): Markup {
  return html`<pre tabindex="0">${JSON.stringify(example, null, 2)}</pre>`;
}

/** A schema as a list of its properties; one with a name of its own is a link to where it is spelt out. */
function renderSchema(schema: JsonSchema, depth: number): Markup | undefined {
  const variants = schema.anyOf ?? schema.oneOf;
  if (schema.$ref !== undefined) return html`<p>${typeName(schema)}</p>`;
  if (depth > MAX_SCHEMA_DEPTH) return undefined;
  if (variants !== undefined) {
    return html`<p>One of:</p>
      <ul>
        ${variants.map((variant) => html`<li>${typeName(variant)} ${inner(variant, depth + 1)}</li>`)}
      </ul>`;
  }
  if (schema.items !== undefined) return renderSchema(schema.items, depth + 1);
  if (schema.properties === undefined) return undefined;
  return html`<dl>
    ${Object.entries(schema.properties).map(
      ([name, property]) => html`<dt>
          <code>${name}</code> ${typeName(property)}${
            schema.required?.includes(name) === true && html` <em>required</em>`
          }
        </dt>
        <dd>
          ${property.description !== undefined && html`${prose(property.description)} `}${bounds(property)}${inner(property, depth + 1)}
        </dd>`,
    )}
  </dl>`;
}

/** What a property has inside, unless its type has said it all. */
function inner(schema: JsonSchema, depth: number): Markup | undefined {
  const spelt = schema.items ?? schema;
  if (spelt.properties !== undefined) return renderSchema(spelt, depth);
  const variants = spelt.anyOf ?? [];
  return variants.some((variant) => variant.properties !== undefined) ? renderSchema(spelt, depth) : undefined;
}

function typeName(schema: JsonSchema): Markup {
  if (schema.$ref !== undefined) {
    const name = schema.$ref.slice(SCHEMA_PREFIX.length);
    return html`<a href="#schema-${name}">${name}</a>`;
  }
  if (schema.const !== undefined) return html`<code>${JSON.stringify(schema.const)}</code>`;
  if (schema.enum !== undefined) {
    return html`${schema.enum.map((value, index) => html`${index > 0 && " | "}<code>${JSON.stringify(value)}</code>`)}`;
  }
  const variants = schema.anyOf ?? schema.oneOf;
  if (variants !== undefined) {
    return html`${variants.map((variant, index) => html`${index > 0 && " or "}${typeName(variant)}`)}`;
  }
  if (schema.items !== undefined) return html`array of ${typeName(schema.items)}`;
  const types = [schema.type ?? "any JSON"].flat();
  return html`${types.join(" or ")}`;
}

function bounds(schema: JsonSchema): Markup | undefined {
  const parts = [
    range("", schema.minimum, schema.maximum),
    range(" characters", schema.minLength, schema.maxLength),
    range(" entries", schema.minItems, schema.maxItems),
    schema.format,
    schema.pattern,
    schema.default === undefined ? undefined : `default ${JSON.stringify(schema.default)}`,
  ].filter((part) => part !== undefined);
  return parts.length === 0 ? undefined : html`<small>${parts.join(", ")}</small>`;
}

function range(unit: string, from: number | undefined, to: number | undefined): string | undefined {
  if (from !== undefined && to !== undefined) return `${number(from)} to ${number(to)}${unit}`;
  if (from !== undefined) return `at least ${number(from)}${unit}`;
  return to === undefined ? undefined : `at most ${number(to)}${unit}`;
}

function number(value: number): string {
  return value.toLocaleString("en");
}

function renderSchemas(document: OpenApiDocument): Markup {
  return html`<section id="schemas">
    <h2 class="group">Schemas</h2>
    ${Object.entries(document.components.schemas).map(
      ([name, schema]) => html`<article id="schema-${name}">
        <h3><a href="#schema-${name}">${name}</a></h3>
        ${schema.description !== undefined && html`<p>${prose(schema.description)}</p>`}
        ${renderSchema(schema, 0) ?? html`<p>${typeName(schema)}</p>`}
      </article>`,
    )}
  </section>`;
}

function renderProblems(document: OpenApiDocument): Markup {
  return html`<section id="problems">
    <h2 class="group">Problems</h2>
    <p>
      Every refusal is an <code>application/problem+json</code> with a stable <code>code</code>, what to do next in
      <code>detail</code>, and for faults of a request the path of each in <code>errors</code>: a JSON Pointer into the
      body, or the name of a parameter.
    </p>
    <div class="scroll" tabindex="0" role="group" aria-label="Problems">
      <table>
        <thead>
          <tr>
            <th scope="col">Code</th>
            <th scope="col">Status</th>
            <th scope="col">What it means</th>
            <th scope="col">What to do</th>
          </tr>
        </thead>
        <tbody>
          ${Object.entries(document.components.examples).map(
            ([code, { value }]) => html`<tr id="problem-${code}">
              <th scope="row"><code>${code}</code></th>
              <td>${value.status}</td>
              <td>${value.title}</td>
              <td>${value.detail}</td>
            </tr>`,
          )}
        </tbody>
      </table>
    </div>
  </section>`;
}

/** Text with `code` in it. */
function prose(text: string): Markup {
  return html`${text.split("`").map((piece, index) => (index % 2 === 0 ? piece : html`<code>${piece}</code>`))}`;
}

const SAMPLE_PATH_VALUES: Readonly<Record<string, string>> = {
  sessionId: "support-42",
  messageId: "turn-62",
  version: "1",
};

/** A call to paste into a shell; `$URL` and `$KEY` are the reader's. */
function curl(operation: ListedOperation, body: MediaType | undefined): string {
  const path = operation.path.replace(/\{(\w+)\}/g, (_, name: string) => SAMPLE_PATH_VALUES[name] ?? name);
  const lines = [`curl "$URL${path}"`];
  if (operation.method !== "GET") lines.push(`-X ${operation.method}`);
  if (operation.security.length > 0) lines.push('-H "Authorization: Bearer $KEY"');
  if (body?.example !== undefined) {
    const json = JSON.stringify(body.example).replaceAll("'", String.raw`'\''`);
    lines.push('-H "Content-Type: application/json"', `-d '${json}'`);
  }
  return lines.join(" \\\n  ");
}

const STYLE = `
:root {
  color-scheme: light dark;
  --text: #1c2024; --muted: #5b6470; --line: #dde1e6; --paper: #ffffff; --tint: #f4f6f8; --accent: #0b5fbf;
}
@media (prefers-color-scheme: dark) {
  :root {
    --text: #e6e9ec; --muted: #a0a9b4; --line: #353b43; --paper: #16191d; --tint: #1f242a; --accent: #7db7f5;
  }
}
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; }
body {
  margin: 0; display: grid; grid-template-columns: 16rem minmax(0, 1fr);
  font: 16px/1.55 system-ui, sans-serif; color: var(--text); background: var(--paper);
}
a { color: var(--accent); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.skip { position: absolute; left: -100vw; }
.skip:focus { left: 1rem; top: 1rem; background: var(--paper); padding: .5rem; }
nav {
  position: sticky; top: 0; height: 100vh; overflow-y: auto; padding: 1.25rem;
  border-right: 1px solid var(--line); background: var(--tint); font-size: .9rem;
}
nav .name { margin: 0; font-size: 1.15rem; font-weight: 700; }
nav h2 { margin: 1.25rem 0 .25rem; font-size: .8rem; color: var(--muted); text-transform: uppercase; letter-spacing: .04em; }
nav ul { margin: 0; padding: 0; list-style: none; }
nav li { padding: .15rem 0; }
nav a { text-decoration: none; }
nav a:hover { text-decoration: underline; }
main { padding: 2rem clamp(1rem, 4vw, 3rem) 6rem; max-width: 60rem; min-width: 0; }
main:focus { outline: none; }
h1 { margin-top: 0; line-height: 1.2; }
h2.group { margin: 3.5rem 0 0; padding-bottom: .3rem; border-bottom: 2px solid var(--line); }
article { margin: 2rem 0; padding-bottom: 1rem; border-bottom: 1px solid var(--line); }
h3 { margin-bottom: .25rem; font-size: 1.15rem; }
h3 a { color: inherit; text-decoration: none; }
h4 { margin: 1.25rem 0 .35rem; }
.route { margin: .25rem 0; overflow-wrap: anywhere; }
.method { display: inline-block; padding: 0 .5rem; border-radius: .25rem; color: #fff; background: #49525d; font-size: .85rem; }
.method.get { background: #0b5fbf; }
.method.post { background: #17713c; }
.method.patch { background: #92560a; }
code, pre { font: .9em/1.5 ui-monospace, monospace; }
code { overflow-wrap: anywhere; }
pre { margin: .5rem 0; padding: .75rem 1rem; overflow: auto; max-height: 26rem; border-radius: .4rem; background: var(--tint); border: 1px solid var(--line); }
details { margin: .35rem 0; }
summary { cursor: pointer; }
.status { font-family: ui-monospace, monospace; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .93rem; }
th, td { text-align: left; vertical-align: top; padding: .4rem .75rem .4rem 0; border-bottom: 1px solid var(--line); }
th code { white-space: nowrap; }
th[scope=row] { font-weight: 400; }
em { color: var(--muted); font-size: .85em; }
small { color: var(--muted); overflow-wrap: anywhere; }
dl { margin: .4rem 0; }
dt { margin-top: .4rem; }
dd { margin: 0 0 0 1.25rem; }
dd dl { border-left: 2px solid var(--line); padding-left: .75rem; }
article:target > h3, tr:target { background: color-mix(in srgb, var(--accent) 14%, transparent); }
@media (max-width: 50rem) {
  body { display: block; }
  nav { position: static; height: auto; max-height: 40vh; border-right: 0; border-bottom: 1px solid var(--line); }
}
`;
