// Checks the address of a PostgreSQL as a person wrote it, before anything connects to it.
import { StartError } from "./start-error.ts";

const FORM = "postgres://USER:PASSWORD@HOST:5432/DATABASE";
const NO_HOST = `must name the host of the server before its database, and no socket: ${FORM}`;
const HOW_TO_ENCODE =
  "Letters, digits and - . _ ~ stand in it as they are; write each other character as % and its two hexadecimal digits, as this does: " +
  "node -p 'encodeURIComponent(\"PASSWORD\")'";
/** A % that does not begin an encoded byte. */
const BARE_PERCENT = /%(?![0-9a-f]{2})/i;

/**
 * Parses an address. Errors name the variable, never its value, because it contains a password.
 * @param name name of the variable
 * @throws {StartError}
 */
export function readDatabaseAddress(name: string, text: string): URL {
  const fault = faultOf(text);
  if (fault !== null) throw new StartError(`${name} ${fault}`);
  return new URL(text);
}

function faultOf(text: string): string | null {
  if (!/^postgres(?:ql)?:\/\//i.test(text)) return `is no address of a database. It must be like ${FORM}`;
  if (hasUnencoded(text))
    return `has a user name or a password with characters that no address holds as they are. ${HOW_TO_ENCODE}`;
  if (/^[^/]*\/\/[^/?#]*@(?:[/?#]|$)/.test(text)) return NO_HOST;
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || /\s/.test(text)) return `is no sound address. It must be like ${FORM}`;
  if (url.hostname === "" || url.searchParams.has("host")) return NO_HOST;
  if (url.username === "") return `names no user: ${FORM}`;
  if (url.pathname.length < 2) return `names no database after the host: ${FORM}`;
  return null;
}

/**
 * Whether the password contains an unencoded /, ? or #. A URL ends its host at the first of these, so the rest of the
 * password would be taken for a port, a path or nothing, and the user's name for the host.
 */
function hasUnencoded(text: string): boolean {
  const rest = text.slice(text.indexOf("//") + 2);
  const authority = /^[^/?#]*/.exec(rest)?.[0] ?? "";
  if (!authority.includes("@")) return rest.includes("@") || rest.includes("#");
  const credentials = authority.slice(0, authority.lastIndexOf("@"));
  return rest.includes("#") || BARE_PERCENT.test(credentials) || !isDecodable(credentials);
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

/**
 * Checked before anything is created, because a typing error in an address would otherwise be reported as an unknown
 * host that nobody wrote.
 */
export function checkDatabaseAddresses({
  databaseUrl,
  workerDatabaseUrl,
}: {
  databaseUrl?: string;
  workerDatabaseUrl?: string;
}): void {
  if (workerDatabaseUrl !== undefined && databaseUrl === undefined) {
    throw new StartError(
      "WORKER_DATABASE_URL goes with DATABASE_URL, which is not set: it is the same database, by another role.",
    );
  }
  if (databaseUrl === undefined) return;
  const addresses = [
    ["DATABASE_URL", readDatabaseAddress("DATABASE_URL", databaseUrl)] as const,
    ...(workerDatabaseUrl === undefined
      ? []
      : [["WORKER_DATABASE_URL", readDatabaseAddress("WORKER_DATABASE_URL", workerDatabaseUrl)] as const]),
  ];
  const [name, { password }] = addresses.at(-1) ?? addresses[0] ?? ["", { password: "" }];
  if (password === "") {
    throw new StartError(
      `${name} holds no password, and the Worker connects with one: postgres://USER:PASSWORD@HOST:5432/DATABASE`,
    );
  }
}
