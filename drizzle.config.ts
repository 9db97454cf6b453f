import { defineConfig } from "drizzle-kit";

export default defineConfig({
  dialect: "postgresql",
  schema: "./src/archive/tables.ts",
  out: "./migrations",
});
