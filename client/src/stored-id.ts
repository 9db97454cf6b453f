const NAME = /^(?!\.{1,2}$)[A-Za-z0-9._:-]{1,128}$/;

/** The id under which a framework's message is stored: its own id, or, if that is not a valid id, a hash of it. */
export function storedId(id: string): string {
  return NAME.test(id) ? id : `x-${fingerprint(id)}-${id.length}`;
}

/** A hash of a text as 16 hexadecimal digits. */
export function fingerprint(text: string): string {
  return fnv1a(text, 0x811c9dc5) + fnv1a(text, 0x01000193);
}

/** FNV-1a with 32 bits, over UTF-16 units (http://www.isthe.com/chongo/tech/comp/fnv/), with a given start value. */
function fnv1a(text: string, start: number): string {
  let hash = start;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, "0");
}
