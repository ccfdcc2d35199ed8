// A registry of the configuration, opened: what it is called there, and what it gives.

import type { RegistryConfig } from '../config.ts';
import type { OpenedSource } from '../registry.ts';

export type KnownRegistry = { readonly config: RegistryConfig; readonly opened: OpenedSource };
