// The face of the config module: a file or text to a validated `Config`, and its documentation.

export { type DocumentChange, documentChanges } from './config/changes.ts';
export { readDocument } from './config/document.ts';
export { defaultConfig, loadConfig, parseConfig } from './config/load.ts';
export { configReference, configSchema } from './config/reference.ts';
export { opennessOf } from './config/rules/registries.ts';
export { DEFAULT_REGISTRY } from './config/sections/follows.ts';
export { embeddedSettings } from './config/sections/registry.ts';
export type { ApprovalPoint } from './config/sections/service.ts';
export type {
  ArtifactConfig,
  CertificateFiles,
  Config,
  Followed,
  GatewayConfig,
  GatewayLimits,
  GatewayTimeouts,
  HookConfig,
  HostConfig,
  ListenAddress,
  ListenerConfig,
  ListenerTls,
  LongLivedConfig,
  PipelineCommand,
  ReceiverConfig,
  RegistryConfig,
  ServiceConfig,
  ServiceInstance,
  SshConfig,
  StaticServer,
  UpstreamConfig,
  UpstreamTls,
  VerifyConfig,
} from './config/types.ts';
