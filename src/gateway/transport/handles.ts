// What Node's own net module stands on: handles of sockets, and the requests that are made of them. None of it is
// documented, so all of it is looked at before it is used: where something is missing or another thing, there are
// none, and sockets are used the documented way.

/** A socket of libuv. Codes are negative numbers of the system, 0 = done. */
export type TcpHandle = {
  /** Whose events these are; ours, not Node's. */
  connection?: object;
  onread: () => void;
  readonly fd: number;
  /** Bytes that the kernel has not taken. */
  readonly writeQueueSize: number;
  useUserBuffer(buffer: Buffer): void;
  readStart(): number;
  readStop(): number;
  writeLatin1String(request: WriteRequest, text: string): number;
  writeBuffer(request: WriteRequest, buffer: Uint8Array): number;
  shutdown(request: ShutdownRequest): number;
  setNoDelay(isOn: boolean): number;
  getpeername(address: { address?: string }): number;
  connect(request: ConnectRequest, address: string, port: number): number;
  connect6(request: ConnectRequest, address: string, port: number): number;
  close(onClosed: () => void): void;
  reset(onClosed: () => void): number;
};

/** Its functions are called with the request as `this`. */
export type WriteRequest = {
  oncomplete: (status: number) => void;
  /** Whose write it is, how long, and the memory that libuv still points at. */
  connection: object | undefined;
  bytes: number;
  keep: Uint8Array | undefined;
};
export type ShutdownRequest = { oncomplete: (status: number) => void };
export type ConnectRequest = { oncomplete: (status: number) => void };

export type Handles = {
  newTcp(): TcpHandle;
  newWrite(): WriteRequest;
  newShutdown(): ShutdownRequest;
  newConnect(): ConnectRequest;
  /** What the last read or write left behind, by the places below. */
  readonly state: Int32Array;
  /** Bytes that were read, or the code of an error. */
  readonly readBytes: number;
  /** 1: the last write did not go through at once. */
  readonly wasAsync: number;
};

const METHODS = [
  ...['useUserBuffer', 'readStart', 'readStop', 'writeLatin1String', 'writeBuffer', 'shutdown'],
  ...['setNoDelay', 'getpeername', 'connect', 'connect6', 'close', 'reset'],
];

type Class<Instance> = new (kind?: number) => Instance;

/** Undefined: this Node has them not, or others. */
export function openHandles(): Handles | undefined {
  try {
    const tcp = binding('tcp_wrap');
    const stream = binding('stream_wrap');
    const [Tcp, Connect] = [
      classOf<TcpHandle>(tcp, 'TCP'),
      classOf<ConnectRequest>(tcp, 'TCPConnectWrap'),
    ];
    const Write = classOf<WriteRequest>(stream, 'WriteWrap');
    const Shutdown = classOf<ShutdownRequest>(stream, 'ShutdownWrap');
    const kind = numberOf(tcp['constants'], 'SOCKET');
    const { streamBaseState: state } = stream;
    if (!(state instanceof Int32Array) || !isHandleClass(Tcp)) return undefined;
    return {
      newTcp: () => new Tcp(kind),
      newWrite: () => new Write(),
      newShutdown: () => new Shutdown(),
      newConnect: () => new Connect(),
      ...{ state, readBytes: numberOf(stream, 'kReadBytesOrError') },
      wasAsync: numberOf(stream, 'kLastWriteWasAsync'),
    };
  } catch {
    return undefined;
  }
}

/** Also of a handle that was accepted: it is of the same class. */
export function isTcpHandle(value: unknown): value is TcpHandle {
  if (typeof value !== 'object' || value === null) return false;
  return METHODS.every((method) => typeof Reflect.get(value, method) === 'function');
}

function isHandleClass(Tcp: Class<TcpHandle>): boolean {
  const { prototype } = Tcp;
  // Accessors, that must not be read of a prototype.
  return [...METHODS, 'fd', 'onread', 'writeQueueSize'].every((name) => name in prototype);
}

function binding(name: string): Readonly<Record<string, unknown>> {
  const open: unknown = Reflect.get(process, 'binding');
  if (typeof open !== 'function') throw new Error('no bindings');
  const found: unknown = open.call(process, name);
  if (typeof found !== 'object' || found === null) throw new Error(`no ${name}`);
  return Object.fromEntries(Object.entries(found));
}

function classOf<Instance>(from: Readonly<Record<string, unknown>>, name: string): Class<Instance> {
  const found = from[name];
  if (typeof found !== 'function') throw new Error(`no ${name}`);
  // What it makes is looked at by isHandleClass, as far as it can be.
  return found as unknown as Class<Instance>;
}

function numberOf(from: unknown, name: string): number {
  const found: unknown =
    typeof from === 'object' && from !== null ? Reflect.get(from, name) : undefined;
  if (typeof found !== 'number') throw new Error(`no ${name}`);
  return found;
}
