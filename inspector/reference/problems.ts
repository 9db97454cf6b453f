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
  for (const name of ["Code", "Status", "What is wrong", "What to do"]) {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.textContent = name;
    head.append(cell);
  }
  const body = table.createTBody();
  for (const [code, { value }] of Object.entries(components.examples)) {
    const row = body.insertRow();
    row.id = `problem-${code}`;
    for (const text of [code, String(value.status), value.title, value.detail]) row.insertCell().textContent = text;
  }
  return table;
}
