import { mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { homedir } from "node:os";
import path from "node:path";
import { InvalidArgumentError } from "@commander-js/extra-typings";
import { describe, expect, it, onTestFinished } from "vitest";
import { readDatabaseAddress } from "../../scripts/dev/database-address.ts";
import { makeFolder } from "../../scripts/dev/folders.ts";
import { projectRoot } from "../../scripts/dev/paths.ts";
import { lookAtPort } from "../../scripts/dev/ports.ts";
import { describePort } from "../../scripts/dev/service-port.ts";
import { startService } from "../../scripts/dev/service.ts";
import { StartError } from "../../scripts/dev/start-error.ts";
import {
  folder,
  inputFile,
  outputFile,
  readVariable,
  serviceUrl,
  UsageFault,
} from "../../scripts/program/command-line.ts";
import { makeTemporaryDirectory, removeDirectory } from "../support/temporary-directory.ts";

function temporary(): string {
  const directory = makeTemporaryDirectory();
  onTestFinished(() => removeDirectory(directory));
  return directory;
}

describe("a folder that a person names", () => {
  it.each([
    "plain",
    "with spaces",
    "ünïcödé-漢字-🎉",
    "per%41cent",
    "ha#sh",
    "que?ry",
    "'quote\"",
    "new\nline",
    "-dash",
    "a/b/c/d",
  ])("is created together with the folders above it: %j", (name) => {
    const place = path.join(temporary(), name);
    makeFolder(place, 0o700);
    makeFolder(place, 0o700);
    expect(statSync(place).mode & 0o777).toBe(0o700);
  });

  it("is refused if there is a file in its place or above it, or a link that leads nowhere or in a circle", () => {
    const directory = temporary();
    const inside = (name: string): string => path.join(directory, name);
    writeFileSync(inside("file"), "");
    symlinkSync(inside("nowhere"), inside("dangling"));
    symlinkSync(inside("circle"), inside("circle"));
    for (const name of [
      "file",
      "file/below",
      "file/far/below",
      "dangling",
      "dangling/below",
      "circle",
      "circle/below",
      "a".repeat(300),
    ]) {
      expect(() => makeFolder(inside(name)), name).toThrow(StartError);
      expect(() => makeFolder(inside(name)), name).toThrow(
        /cannot be the folder that is wanted: .*\. Choose another one\.$/s,
      );
    }
    expect(readdirSync(directory)).toHaveLength(3);
  });

  it
    .runIf(process.platform === "linux")
    .each(["/proc/threadkeep", "/proc/self/threadkeep/deeper", "/dev/null", "/sys/threadkeep/state"])(
    "is refused at once where nothing can be made: %s",
    (place) => {
      expect(() => makeFolder(place)).toThrow(`${place.replace("/deeper", "").replace("/state", "")} cannot be`);
    },
  );

  it("has to have a name", () => {
    for (const text of ["", " ", "\t"]) expect(() => folder(text)).toThrow("It must name a folder");
    expect(folder("somewhere")).toBe(path.resolve("somewhere"));
  });
});

describe("a service's state", () => {
  it("is not put into a folder with other content: a disk, a home, a checkout", async () => {
    for (const stateDir of [path.parse(projectRoot).root, homedir(), projectRoot, path.dirname(projectRoot)]) {
      await expect(startService({ stateDir }), stateDir).rejects.toThrow("holds more than a service's state");
    }
  });

  it("is not put in the place of a file, which stays as it is", async () => {
    const directory = temporary();
    const file = path.join(directory, "state");
    writeFileSync(file, "mine");
    await expect(startService({ stateDir: file })).rejects.toThrow("a file stands there");
    mkdirSync(path.join(directory, "other"), { mode: 0o711 });
    expect(statSync(path.join(directory, "other")).mode & 0o777).toBe(0o711);
  });
});

describe("a requested port", () => {
  it("is recognized as in use while somebody listens, and as free afterwards", async () => {
    const server = createServer();
    const port = await new Promise<number>((resolve) => {
      server.listen(0, "127.0.0.1", () => {
        const address = server.address();
        resolve(typeof address === "object" && address !== null ? address.port : 0);
      });
    });
    expect(await lookAtPort(port)).toBe("taken");
    await new Promise((resolve) => server.close(resolve));
    expect(await lookAtPort(port)).toBe("free");
  });

  it("gets its own message if it is in use, reserved for root, or unavailable", () => {
    expect(describePort(8_787, "taken")).toBe(
      "Port 8787 is taken by another program. Choose another: npm start -- --port 8788 (or set PORT).",
    );
    expect(describePort(80, "EACCES")).toMatch(/^This user may not listen on port 80: .* for root.* --port 8787 /);
    expect(describePort(65_535, "taken")).toContain("--port 8787 ");
    expect(describePort(9_000, "EADDRNOTAVAIL")).toContain(
      "Nobody can listen on port 9000 of 127.0.0.1 (EADDRNOTAVAIL)",
    );
  });
});

describe("a file or service that is named", () => {
  it("can be written at the end, or is refused before the work starts", () => {
    const directory = temporary();
    writeFileSync(path.join(directory, "file"), "");
    expect(outputFile(path.join(directory, "new.json"))).toBe(path.join(directory, "new.json"));
    expect(outputFile(path.join(directory, "file"))).toBe(path.join(directory, "file"));
    for (const text of [
      "",
      directory,
      path.join(directory, "none", "x.json"),
      path.join(directory, "file", "x.json"),
    ]) {
      expect(() => outputFile(text), text).toThrow(InvalidArgumentError);
    }
  });

  it("is a file that can be read", () => {
    expect(inputFile("package.json")).toBe("package.json");
    for (const text of ["", "src", "no-such-file"]) expect(() => inputFile(text), text).toThrow(InvalidArgumentError);
  });

  it("is the address of a service", () => {
    expect(serviceUrl("http://127.0.0.1:8787")).toBe("http://127.0.0.1:8787");
    for (const text of ["", "nonsense", "127.0.0.1:8787", "ftp://x", "http://", "http://a b"]) {
      expect(() => serviceUrl(text), text).toThrow(/^It must be the address of a service/);
    }
    const read = (): string => readVariable("THREADKEEP_URL", "nonsense", serviceUrl);
    expect(read).toThrow(UsageFault);
    expect(read).toThrow("THREADKEEP_URL 'nonsense' is invalid. It must be the address of a service");
  });
});

describe("the address of a database", () => {
  it.each([
    "postgres://ada:secret@db.example/threadkeep",
    "postgresql://ada:secret@127.0.0.1:5433/threadkeep?sslmode=verify-full&sslrootcert=/etc/ca@2.crt",
    "postgres://ada:pa%40ss%2Fw%23rd%25@[::1]:5432/threadkeep",
    "postgres://ada:pa@ss@db.example/threadkeep",
    "postgres://ada@db.example/threadkeep",
    `postgres://ada:${encodeURIComponent("/?#[]@!$&'()*+,;=% é漢")}@db.example/threadkeep`,
  ])("is taken: %s", (text) => {
    expect(readDatabaseAddress("DATABASE_URL", text).pathname).toBe("/threadkeep");
  });

  it.each([
    ["", "is no address"],
    [" ", "is no address"],
    ["threadkeep", "is no address"],
    ["localhost:5432/threadkeep", "is no address"],
    ["host=localhost user=ada password=secret", "is no address"],
    ["https://ada:secret@db.example/threadkeep", "is no address"],
    ["postgres://", "must name the host"],
    ["postgres:///threadkeep", "must name the host"],
    ["postgres://ada:secret@/threadkeep", "must name the host"],
    ["postgres://ada:secret@localhost/threadkeep?host=/var/run/postgresql", "must name the host"],
    ["postgres://db.example/threadkeep", "names no user"],
    ["postgres://ada:secret@db.example", "names no database"],
    ["postgres://ada:secret@db.example/", "names no database"],
    ["postgres://ada:secret@db.example:port/threadkeep", "is no sound address"],
    ["postgres://ada:secret@db.example:5432/thread keep", "is no sound address"],
    ["postgres://ada:sec#ret@db.example/threadkeep", "has a user name or a password"],
    ["postgres://ada:12#ret@db.example/threadkeep", "has a user name or a password"],
    ["postgres://ada:12/ret@db.example/threadkeep", "has a user name or a password"],
    ["postgres://ada:12?ret@db.example/threadkeep", "has a user name or a password"],
    ["postgres://ada:/@db.example/threadkeep", "has a user name or a password"],
    ["postgres://ada:50%@db.example/threadkeep", "has a user name or a password"],
    ["postgres://ada:%ff%fe@db.example/threadkeep", "has a user name or a password"],
    ["postgres://ada:secret@db.example/threadkeep#x", "has a user name or a password"],
  ])("is refused before a connection is made, without repeating its content: %s", (text, reason) => {
    const read = (): URL => readDatabaseAddress("DATABASE_URL", text);
    expect(read).toThrow(StartError);
    expect(read).toThrow(`DATABASE_URL ${reason}`);
    for (const secret of ["secret", "ret@", "ada:", "db.example"]) expect(read).not.toThrow(secret);
  });

  it("is checked before anything of a service is created", async () => {
    const stateDir = path.join(temporary(), "state");
    const starts = [
      { databaseUrl: "nonsense" },
      { databaseUrl: "postgres://ada:12#ret@db.example/threadkeep" },
      { databaseUrl: "postgres://ada:x@db.example/threadkeep", workerDatabaseUrl: "nonsense" },
      { databaseUrl: "postgres://ada@db.example/threadkeep" },
      { workerDatabaseUrl: "postgres://ada:x@db.example/threadkeep" },
    ];
    for (const start of starts) {
      await expect(startService({ stateDir, ...start })).rejects.toThrow(/DATABASE_URL (?:is|has|holds|goes)/);
    }
    expect(readdirSync(path.dirname(stateDir))).toEqual([]);
  });
});
