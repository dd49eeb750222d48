// What parent.ts uses of Node. It stands in for @types/node, so that the sample compiles without a download.
// An application installs @types/node instead.

declare const process: {
  argv: string[];
  env: Record<string, string | undefined>;
  stdout: { write(text: string): boolean };
};

declare module "node:child_process" {
  interface ChildProcess {
    stdin: { write(text: string): boolean; end(): void; on(event: "error", listener: (error: Error) => void): unknown };
    stdout: AsyncIterable<Uint8Array>;
  }
  export function spawn(
    command: string,
    args: string[],
    options: { env: Record<string, string | undefined>; stdio: ["pipe", "pipe", "inherit"] },
  ): ChildProcess;
}

declare module "node:events" {
  export function once(emitter: object, event: string): Promise<any[]>;
}

declare module "node:fs/promises" {
  export function mkdtemp(prefix: string): Promise<string>;
  export function rm(path: string, options: { recursive: boolean }): Promise<void>;
  export function writeFile(path: string, text: string): Promise<void>;
}

declare module "node:os" {
  export function tmpdir(): string;
}

declare module "node:path" {
  export function join(...parts: string[]): string;
}

declare module "node:readline" {
  export function createInterface(options: { input: AsyncIterable<Uint8Array> }): AsyncIterable<string>;
}
