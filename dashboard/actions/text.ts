// What actions and their dialog say.

import type { EffectAction } from '../../src/admin/contract.ts';
import { words } from '../text.ts';

type Verbs = Readonly<Record<EffectAction, string>>;

export const actionText = words(
  {
    verbs: {
      drain: 'Drain',
      maint: 'Maintenance',
      undrain: 'Undrain',
      weight: 'Weight',
      deregister: 'Deregister',
    } satisfies Verbs as Verbs,
    effect: 'What it does',
    computing: 'Computing the effect…',
    reasonWhy: 'Others see it beside the server',
    newWeight: 'New weight',
    type: (name: string) => `Type ${name} to confirm`,
    shell: 'The same from a shell',
    refused: 'It would be refused:',
    undo: 'Undo',
    undone: 'Undone',
    eligible: (after: number, servers: number, before: number) =>
      `leaves ${after} of ${servers} eligible (now ${before})`,
    inFlight: (many: number) => (many === 0 ? 'nothing in flight' : `${many} in flight`),
    lasting: (tunnels: number, streams: number) => `${tunnels} tunnels, ${streams} streams`,
    guard: (need: number) => `guard ok: at least ${need} other stays eligible`,
    noGuard: 'the guard against an empty pool is off',
    share: (before: string, after: string) => `its share of new requests: ${before} → ${after}`,
    readOnly: (role: string) =>
      `Read only: the role of your token is “${role}”, and this needs “operate”.`,
    done: {
      drain: (server: string) => `${server} drains`,
      maint: (server: string) => `${server} is in maintenance`,
      undrain: (server: string) => `${server} may take requests`,
      weight: (server: string) => `${server} has its new weight`,
      deregister: (server: string) => `${server} is deregistered`,
    },
  },
  {
    verbs: {
      drain: '排空',
      maint: '维护',
      undrain: '恢复',
      weight: '权重',
      deregister: '注销',
    },
    effect: '影响',
    computing: '正在计算影响…',
    reasonWhy: '其他人会在服务器旁看到',
    newWeight: '新权重',
    type: (name: string) => `输入 ${name} 以确认`,
    shell: '等效命令',
    refused: '会被拒绝：',
    undo: '撤销',
    undone: '已撤销',
    eligible: (after: number, servers: number, before: number) =>
      `剩余可用 ${after}/${servers}（现在 ${before}）`,
    inFlight: (many: number) => `进行中 ${many}`,
    lasting: (tunnels: number, streams: number) => `隧道 ${tunnels}，流 ${streams}`,
    guard: (need: number) => `保护通过：至少还有 ${need} 台可用`,
    noGuard: '空池保护已关闭',
    share: (before: string, after: string) => `新请求占比：${before} → ${after}`,
    readOnly: (role: string) => `只读：令牌角色为“${role}”，此操作需要“operate”。`,
    done: {
      drain: (server: string) => `${server} 正在排空`,
      maint: (server: string) => `${server} 进入维护`,
      undrain: (server: string) => `${server} 可以接收请求`,
      weight: (server: string) => `${server} 权重已更新`,
      deregister: (server: string) => `${server} 已注销`,
    },
  },
);
