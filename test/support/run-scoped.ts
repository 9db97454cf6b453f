interface Resource {
  value: Promise<unknown>;
  users: number;
  close: (() => Promise<void>) | undefined;
}

/** Each project loads its own copy of a setup module, so shared things are stored on the process. */
const KEY = Symbol.for("threadkeep.test.resources");
const holder: typeof globalThis & { [KEY]?: Map<string, Resource> } = globalThis;
const resources = (holder[KEY] ??= new Map<string, Resource>());

/** Opens a resource once for all projects of a test run; the returned function closes it after the last of them. */
export async function shareInRun<Value>(
  name: string,
  open: () => Promise<{ value: Value; close: () => Promise<void> }>,
): Promise<{ value: Value; release: () => Promise<void> }> {
  const existing = resources.get(name);
  const resource: Resource = existing ?? { users: 0, close: undefined, value: Promise.resolve() };
  resource.users += 1;
  if (existing === undefined) {
    resources.set(name, resource);
    resource.value = open().then(({ value, close }) => {
      resource.close = close;
      return value;
    });
  }
  const value = (await resource.value) as Value;
  const release = async (): Promise<void> => {
    resource.users -= 1;
    if (resource.users > 0) return;
    resources.delete(name);
    await resource.close?.();
  };
  return { value, release };
}
