/** The table of problem codes, from the examples in the OpenAPI document. */

interface ProblemDocument {
  readonly components: {
    readonly examples: Readonly<
      Record<string, { readonly value: { readonly status: number; readonly title: string; readonly detail: string } }>
    >;
  };
}

export function listProblems({ components }: ProblemDocument): HTMLTableElement {
  const table = document.createElement("table");
  const head = table.createTHead().insertRow();
  for (const name of ["Code and status", "What is wrong, and what to do"]) {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.textContent = name;
    head.append(cell);
  }
  const body = table.createTBody();
  for (const [code, { value }] of Object.entries(components.examples)) {
    const row = body.insertRow();
    row.id = `problem-${code}`;
    row.insertCell().append(code, textOf("span", String(value.status)));
    row.insertCell().append(textOf("b", value.title), value.detail);
  }
  return table;
}

function textOf(element: "span" | "b", text: string): HTMLElement {
  const made = document.createElement(element);
  made.textContent = text;
  return made;
}
