// Hyperdrive verifies the database's certificate with the same authority that was used to apply the migrations.
import { createHash, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { readDatabaseAddress } from "../dev/database-address.ts";
import { StartError } from "../dev/start-error.ts";

/** Digits of the file's hash that distinguish authorities. */
const DIGEST_CHARACTERS = 12;

export interface DatabaseCertificate {
  readonly file: string;
  /** Name of the authority's certificate in the account; another file gets another name. */
  readonly name: string;
}

/**
 * Reads the file that `sslrootcert` in DATABASE_URL names; null without DATABASE_URL.
 * @param prefix prefix of its name in the account
 * @throws {StartError}
 */
export function readCertificate(databaseUrl: string | undefined, prefix: string): DatabaseCertificate | null {
  if (databaseUrl === undefined || databaseUrl === "") return null;
  const file = readDatabaseAddress("DATABASE_URL", databaseUrl).searchParams.get("sslrootcert") ?? "";
  if (file === "") {
    throw new StartError(
      "DATABASE_URL must end in ?sslmode=verify-full&sslrootcert=FILE, with the certificate of the authority that signed the database's: " +
        "Hyperdrive checks it. Supabase has it under Database, SSL configuration.",
    );
  }
  const text = readText(file);
  if (!isCertificate(text))
    throw new StartError(`${file}, the sslrootcert of DATABASE_URL, is no certificate of an authority in PEM form.`);
  return { file, name: `${prefix}-ca-${createHash("sha256").update(text).digest("hex").slice(0, DIGEST_CHARACTERS)}` };
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new StartError(`The sslrootcert of DATABASE_URL cannot be read: ${reason}`, { cause: error });
  }
}

function isCertificate(text: string): boolean {
  try {
    return new X509Certificate(text).ca;
  } catch {
    return false;
  }
}
