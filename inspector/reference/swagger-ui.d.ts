/** What the reference page uses of Swagger UI, which brings no types of its own. */
declare module "swagger-ui-dist/swagger-ui-es-bundle.js" {
  interface SwaggerUiOptions {
    readonly spec: unknown;
    readonly domNode: Element;
    readonly deepLinking: boolean;
    readonly filter: boolean;
    readonly docExpansion: "list" | "full" | "none";
    readonly defaultModelsExpandDepth: number;
    readonly displayRequestDuration: boolean;
    readonly syntaxHighlight: { readonly activated: boolean };
    readonly persistAuthorization: boolean;
    readonly validatorUrl: null;
    readonly plugins: readonly object[];
  }
  export default function SwaggerUIBundle(options: SwaggerUiOptions): unknown;
}
