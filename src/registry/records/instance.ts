// What the registry says about one server, read from a record `upstreams/<name>/<host:port>`.

export type Instance = {
  /** `host:port`: the last segment of the key, canonical. */
  readonly id: string;
  readonly service: string;
  readonly host: string;
  readonly port: number;
  readonly weight: number;
  readonly maxFails: number;
  readonly failTimeoutMs: number;
  readonly down: boolean;
  readonly backup: boolean;
  /** Left out: as in the config file, else no limit. */
  readonly maxConns?: number;
};

/** A record that could not be taken as it is: reported by name, its neighbours untouched. */
export type Problem = { readonly key: string; readonly message: string };

/** Which instances exist, after last-good and the brake were applied. */
export type Membership = {
  readonly index: number;
  /** By service name; instances in byte order of their keys. */
  readonly services: ReadonlyMap<string, readonly Instance[]>;
  readonly problems: readonly Problem[];
  /** Services whose list vanished and is held at its last good state. */
  readonly held: readonly string[];
};
