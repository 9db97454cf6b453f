import path from "node:path";
import { gzipSync } from "node:zlib";
import { rolldown } from "rolldown";
import { describe, expect, it } from "vitest";
import { projectRoot } from "../../scripts/dev/paths.ts";

const MAX_GZIP_BYTES = 8 * 1024;

describe("the package", () => {
  it(`takes less than ${MAX_GZIP_BYTES} bytes in a page, minified and compressed`, async ({ annotate }) => {
    const bundle = await rolldown({ input: path.join(projectRoot, "client/src/index.ts"), platform: "browser" });
    const { output } = await bundle.generate({ format: "esm", minify: true });
    expect(output).toHaveLength(1);
    expect(output[0].imports).toEqual([]);
    const bytes = gzipSync(output[0].code).byteLength;
    await annotate(`threadkeep-client: ${bytes} bytes gzip`);
    expect(bytes).toBeLessThan(MAX_GZIP_BYTES);
  });
});
