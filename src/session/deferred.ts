/** Stands in for a stub whose namespace has to be looked up: each call waits for the lookup first. */
export function deferred<T extends object>(find: () => Promise<T>): T {
  const calls = new Proxy(
    {},
    {
      get(_, name) {
        // Awaiting a value reads its `then`, and the runtime reads symbols: neither is a method of the object.
        if (typeof name === "symbol" || name === "then") return undefined;
        return async (...given: readonly unknown[]): Promise<unknown> => {
          const object = await find();
          return Reflect.apply(Reflect.get(object, name) as (...given: readonly unknown[]) => unknown, object, given);
        };
      },
    },
  );
  return calls as T;
}
