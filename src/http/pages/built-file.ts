/** Files of dist/inspector, which the pages and the API reference are built into. A deploy uploads them beside the Worker. */

export type ReadFile = (path: string) => Promise<Response>;

/** A file of one fixed name, which the next deploy may change: browsers ask each time. */
export async function builtFile(
  readFile: ReadFile,
  path: string,
  headers: Readonly<Record<string, string>>,
): Promise<Response> {
  const file = await readFile(path);
  if (!file.ok) throw new Error(`dist/inspector${path} is missing: npm run inspector builds it`);
  return new Response(file.body, { headers: { "Cache-Control": "no-cache", ...headers } });
}
