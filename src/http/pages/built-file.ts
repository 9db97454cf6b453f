/**
 * Reads a file of dist/inspector, the build of the inspector and the API reference. A deploy uploads it as static
 * assets.
 */

export type ReadFile = (path: string) => Promise<Response>;

/** Answers with a file of a fixed name. The next deploy may change it, so browsers have to revalidate it each time. */
export async function builtFile(
  readFile: ReadFile,
  path: string,
  headers: Readonly<Record<string, string>>,
): Promise<Response> {
  const file = await readFile(path);
  if (!file.ok) throw new Error(`dist/inspector${path} is missing: npm run inspector builds it`);
  return new Response(file.body, { headers: { "Cache-Control": "no-cache", ...headers } });
}
