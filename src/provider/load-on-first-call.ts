/**
 * A function whose code is loaded when it is first called. The AI SDK and its providers are a third of the bundle, and
 * most isolates never call a model, so they are not loaded at each cold start.
 */
export function loadOnFirstCall<A extends readonly unknown[], T>(
  load: () => Promise<(...args: A) => Promise<T>>,
): (...args: A) => Promise<T> {
  let loading: Promise<(...args: A) => Promise<T>> | undefined;
  return async (...args) => {
    loading ??= load();
    return (await loading)(...args);
  };
}
