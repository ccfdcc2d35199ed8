export { defaultConfig, loadConfig, parseConfig } from './config/load.ts';
export type {
  Config,
  GatewayConfig,
  GatewayLimits,
  GatewayTimeouts,
  ListenAddress,
  RegistryConfig,
  ServiceConfig,
  StaticServer,
  UpstreamConfig,
} from './config/types.ts';
