/**
 * Parts of Swagger UI that this page does without, or does more cheaply: they cost seconds of processor time, or keep
 * people from using the page by keyboard or screen reader.
 */

type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** The part of Swagger UI's plugin interface that is used here. */
interface System {
  readonly React: { createElement(type: string, props: object | null, ...children: unknown[]): unknown };
}

const nothing = (): null => null;

export const plainPlugin = ({ React }: System): object => ({
  fn: {
    /**
     * Swagger UI's own resolver reads the whole document again for each part that is opened. All references of this
     * document lead to its components.
     */
    resolveSubtree: (document: Json, path: readonly string[]): Promise<{ spec: Json; errors: readonly [] }> =>
      Promise.resolve({ spec: resolveReferences(document, readAt(document, path), []), errors: [] }),
  },
  components: {
    // A link inside of the button that opens an operation. The address changes when an operation is opened.
    DeepLink: ({ text }: { text: unknown }): unknown => React.createElement("span", null, text),
    // There is one server: the one that serves the page.
    ServersContainer: nothing,
    // A button without a name that is seen only under the pointer.
    CopyToClipboardBtn: nothing,
  },
});

/** Replaces references by what they lead to, except inside of itself. */
function resolveReferences(document: Json, value: Json, within: readonly string[]): Json {
  if (isList(value)) return value.map((entry) => resolveReferences(document, entry, within));
  if (typeof value !== "object" || value === null) return value;
  const { $ref: reference, ...others } = value;
  if (typeof reference !== "string") {
    return Object.fromEntries(
      Object.entries(value).map(([name, entry]) => [name, resolveReferences(document, entry, within)]),
    );
  }
  if (within.includes(reference)) return value;
  const found = resolveReferences(document, readAt(document, segmentsOf(reference)), [...within, reference]);
  return typeof found === "object" && found !== null && !isList(found) ? { ...found, ...others } : found;
}

function readAt(document: Json, path: readonly string[]): Json {
  let found: Json = document;
  for (const name of path) {
    if (typeof found !== "object" || found === null) return null;
    found = Reflect.get(found, name) ?? null;
  }
  return found;
}

/** "#/components/schemas/Message" → ["components", "schemas", "Message"]. */
function segmentsOf(reference: string): string[] {
  return reference
    .slice("#/".length)
    .split("/")
    .map((name) => name.replaceAll("~1", "/").replaceAll("~0", "~"));
}

const isList = (value: Json): value is readonly Json[] => Array.isArray(value);
