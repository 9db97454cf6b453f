import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from "jose";

/** Claims by name; one that is undefined is left out. */
export type Claims = Readonly<Record<string, unknown>>;

/** An issuer of tokens in this process: it signs what a test asks for, and counts the requests for its keys. */
export class TokenIssuer {
  readonly issuer: string;
  readonly jwksUrl: string;
  /** The keys that it publishes. */
  keys: JWK[] = [];
  /** The answer instead of its keys. */
  answer: (() => Promise<Response>) | null = null;
  requests = 0;
  /** What it was asked last. */
  lastRequest: Request | null = null;
  readonly #privateKeys = new Map<string, { key: CryptoKey; alg: string }>();

  constructor(issuer = "https://project.supabase.test/auth/v1") {
    this.issuer = issuer;
    this.jwksUrl = `${issuer}/.well-known/jwks.json`;
  }

  /** Makes a key pair, and publishes it unless told not to. */
  async addKey(kid: string, alg: "ES256" | "RS256" = "ES256", isPublished = true): Promise<JWK> {
    const { publicKey, privateKey } = await generateKeyPair(alg);
    this.#privateKeys.set(kid, { key: privateKey, alg });
    const jwk = { ...(await exportJWK(publicKey)), kid, alg, use: "sig" };
    if (isPublished) this.keys.push(jwk);
    return jwk;
  }

  readonly fetch = async (request: Request): Promise<Response> => {
    this.requests += 1;
    this.lastRequest = request;
    if (request.url !== this.jwksUrl) throw new Error(`an address that nobody set was asked: ${request.url}`);
    return this.answer === null ? Response.json({ keys: this.keys }) : this.answer();
  };

  /**
   * A token like those of Supabase Auth, except for these claims.
   * @param at seconds since 1970
   */
  async sign(kid: string, at: number, claims: Claims = {}, header: Record<string, unknown> = {}): Promise<string> {
    const signer = this.#privateKeys.get(kid);
    if (signer === undefined) throw new Error(`there is no key ${kid}`);
    const all: Claims = {
      iss: this.issuer,
      aud: "authenticated",
      sub: "mira",
      iat: at,
      exp: at + 3_600,
      role: "authenticated",
      ...claims,
    };
    return new SignJWT({ ...all }).setProtectedHeader({ alg: signer.alg, kid, typ: "JWT", ...header }).sign(signer.key);
  }
}
