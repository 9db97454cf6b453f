/** The secrets of the Worker in the `worker` tests, for both sides: vitest.config.ts sets them, tests send them. */
export const TEST_WORKER_BINDINGS = {
  THREADKEEP_API_KEY: "tk_test_api_key_0123456789",
  THREADKEEP_ADMIN_KEY: "tk_test_admin_key_0123456789",
  THREADKEEP_API_TENANT: "test",
  THREADKEEP_RATE_LIMITS: "off",
};
