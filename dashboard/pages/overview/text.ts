// What the overview says.

import { words } from '../../text.ts';

export const overviewText = words(
  {
    upstreams: 'Upstreams',
    upstream: 'Upstream',
    servers: 'Servers',
    requests: 'Requests/s',
    fiveMinutes: '5 minutes',
    errors: 'Errors',
    inFlight: 'In flight',
    versions: 'Versions',
    gateways: 'Gateways',
    registries: 'Registries',
    generation: 'generation',
    current: 'current',
    behind: 'behind',
    isSilent: 'silent',
    reachable: 'reachable',
    look: 'look',
    noUpstreams:
      'No upstreams yet. Add one to the configuration, such as “upstreams: { app: {} }”, and a server to the registry.',
    problems: (many: number) => (many === 1 ? '1 problem' : `${many} problems`),
    sparkline: (name: string) => `requests per second to ${name} over five minutes`,
    noneEligible: (name: string) =>
      `${name}: no server is eligible, so every request is answered with 503.`,
    registryLost: (which: string, trouble: string) =>
      `Registry ${which} does not answer: ${trouble}. Traffic goes on with the servers that were known last.`,
    silent: (name: string) => `Gateway ${name} has said nothing since`,
  },
  {
    upstreams: '上游',
    upstream: '上游',
    servers: '服务器',
    requests: '请求/秒',
    fiveMinutes: '5 分钟',
    errors: '错误',
    inFlight: '进行中',
    versions: '版本',
    gateways: '网关',
    registries: '注册中心',
    generation: '代',
    current: '最新',
    behind: '落后',
    isSilent: '无响应',
    reachable: '可达',
    look: '查看',
    noUpstreams: '还没有上游。在配置中加入 “upstreams: { app: {} }”，再向注册中心登记一台服务器。',
    problems: (many: number) => `${many} 个问题`,
    sparkline: (name: string) => `${name} 最近五分钟每秒请求数`,
    noneEligible: (name: string) => `${name}：没有可用的服务器，所有请求都得到 503。`,
    registryLost: (which: string, trouble: string) =>
      `注册中心 ${which} 无响应：${trouble}。流量继续使用最后已知的服务器。`,
    silent: (name: string) => `网关 ${name} 失联，自`,
  },
);
