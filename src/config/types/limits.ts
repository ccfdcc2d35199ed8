// The bounds of the gateway, in bytes and in milliseconds.

/** Bounds on what a client or a server can make the gateway hold; bytes unless said. */
export type GatewayLimits = {
  readonly uriBytesMax: number;
  readonly headBytesMax: number;
  readonly fieldsMax: number;
  /** 0 = no limit. */
  readonly bodyBytesMax: number;
  /** Bytes per second; 0 = no limit. */
  readonly bodyMinRate: number;
  readonly chunkExtensionBytesMax: number;
  readonly trailerBytesMax: number;
  readonly responseHeadBytesMax: number;
  readonly relayBytesMax: number;
  /** Client connections per worker; 0 = as many as there are descriptors for. */
  readonly connectionsMax: number;
  /** Requests per client connection. */
  readonly keepaliveRequests: number;
  /** Idle upstream connections kept per server and worker; auto = by the recent peak in use. */
  readonly upstreamKeepalive: number | 'auto';
};

export type GatewayTimeouts = {
  readonly clientHeaderMs: number;
  readonly clientBodyMs: number;
  readonly sendMs: number;
  readonly keepaliveMs: number;
  readonly lingeringMs: number;
  readonly connectMs: number;
  readonly responseMs: number;
  readonly readMs: number;
  readonly upstreamSendMs: number;
  readonly upstreamKeepaliveMs: number;
  readonly tunnelMs: number;
};
