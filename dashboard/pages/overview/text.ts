// What the overview says.

import type { Attention } from '../../../src/admin/contract.ts';
import { words } from '../../text.ts';

const ZH: Readonly<Record<Attention['code'], (subject: string, detail: string) => string>> = {
  registry_away: (_, why) => `注册中心无响应：${why}。流量继续使用最后已知的服务器`,
  none_eligible: (name) => `${name}：没有正常的服务器`,
  list_held: (name, why) => `${name}：保留旧列表：${why}`,
  records_unreadable: (name, why) => `${name}：有无法读取的记录：${why}`,
  servers_out: (name, which) => `${name}：自动摘除的服务器：${which}`,
  out_for_long: (name, which) => `${name}：长时间停用：${which}`,
  give_back_waits: (name, which) => `${name}：${which} 将在注册中心恢复后重新启用`,
  not_restarted: (name, which) => `${name}：${which} 不再被重启`,
  gateway_silent: (name) => `网关 ${name} 失联，它的状态未知`,
  gateway_behind: (name) => `网关 ${name} 落后`,
  worker_silent: (name) => `${name} 无响应`,
  release_without_runner: (name, step) =>
    `${name}：发布的执行者已消失（${step}），见 sluice resume ${name}`,
  release_waits: (name, before) => `${name}：发布等待批准：${before}`,
  release_runs: (name, step) => `${name}：正在发布：${step}`,
  release_failed: (name, why) => `${name}：最近一次发布失败：${why}`,
};

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
    release: 'Release',
    noRunner: 'no runner',
    needs: (_code: Attention['code'], _subject: string, text: string, _detail: string) => text,
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
    release: '发布',
    noRunner: '没有执行者',
    needs: (code: Attention['code'], subject: string, text: string, detail: string) =>
      ZH[code]?.(subject, detail) ?? text,
  },
);
