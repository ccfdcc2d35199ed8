// How an upstream chooses among its servers, as plain data. What a method does is in upstream/balancing.

/** Every method and what it chooses. The config file's words and docs/config.md are made from it. */
export const BALANCES = {
  round_robin: "nginx's smooth weighted sequence",
  least_conn: 'the fewest requests in flight per weight',
  least_time: 'the shortest recent answer × requests in flight, per weight',
  random_two: 'the less loaded of two drawn by weight',
  hash: 'consistent, by `hash_key`',
  ip_hash: "by the client's network, as nginx's",
} as const;

export type Balance = keyof typeof BALANCES;

/** The part of a request by which `hash` chooses. `name`: of the header, cookie or query parameter. */
export type BalanceKey = {
  readonly kind: 'path' | 'uri' | 'host' | 'client' | 'header' | 'cookie' | 'query';
  readonly name: string;
};

/** How an upstream chooses. */
export type Balancing = {
  readonly method: Balance;
  /** Used by `hash` alone. */
  readonly key: BalanceKey;
  /** Used by `hash` alone: the most load of a server, in hundredths of the mean per weight; 0 = any. */
  readonly loadMax: number;
  /** Null: clients are not kept at a server. */
  readonly sticky: Sticky | null;
};

export const ROUND_ROBIN: Balancing = {
  method: 'round_robin',
  key: { kind: 'path', name: '' },
  loadMax: 0,
  sticky: null,
};

/** The cookie that keeps a client at its server. */
export type Sticky = {
  readonly cookie: string;
  /** The text behind `name=value` in Set-Cookie, ready to send: `; Path=/; HttpOnly`. */
  readonly attributes: string;
};
