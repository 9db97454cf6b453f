/** A page, with a content security policy that admits its own inline script and style and nothing else. */

/** The answer with an HTML page. The policy names the page's scripts and styles by their hashes, so it suits these bytes alone. */
export async function pageAnswer(html: string): Promise<Response> {
  return new Response(html, {
    headers: {
      "Content-Type": "text/html; charset=utf-8",
      "Content-Security-Policy": await contentSecurityPolicy(html),
      "Cache-Control": "no-cache",
    },
  });
}

export async function contentSecurityPolicy(html: string): Promise<string> {
  return [
    "default-src 'none'",
    `script-src ${await sources(html, "script")}`,
    `style-src ${await sources(html, "style")}`,
    "connect-src 'self'",
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    // The browser itself refuses to turn a text into HTML.
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join("; ");
}

async function sources(html: string, element: "script" | "style"): Promise<string> {
  const inline = html.matchAll(new RegExp(`<${element}>([\\s\\S]*?)</${element}>`, "g"));
  const hashes = await Promise.all(Array.from(inline, ([, text = ""]) => sha256(text)));
  return hashes.length === 0 ? "'none'" : hashes.map((hash) => `'sha256-${hash}'`).join(" ");
}

async function sha256(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return btoa(String.fromCharCode(...new Uint8Array(digest)));
}
