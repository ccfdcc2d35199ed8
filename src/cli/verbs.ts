// Every verb of the command line: a file each, a line each here. Their order and groups are those of the
// help; `sluice kv` has verbs of its own. What people type who come from other programs is in foreign-verbs.ts.

import type { Command } from 'commander';
import { defineCheck } from './verbs/check.ts';
import { defineConsul } from './verbs/consul.ts';
import { defineDeploy } from './verbs/deploy.ts';
import { defineDoctor } from './verbs/doctor.ts';
import { defineDrain } from './verbs/drain.ts';
import { defineEvents } from './verbs/events.ts';
import { defineGateways } from './verbs/gateways.ts';
import { defineInstance } from './verbs/instance.ts';
import { defineKv } from './verbs/kv.ts';
import { defineMaint } from './verbs/maint.ts';
import { definePlan } from './verbs/plan.ts';
import { defineRegistry } from './verbs/registry.ts';
import { defineHistory, defineLogs, defineShow } from './verbs/releases/look.ts';
import { defineResume } from './verbs/releases/resume.ts';
import { defineRollback } from './verbs/releases/rollback.ts';
import { defineAbort, defineApprove, definePause } from './verbs/releases/steer.ts';
import { defineStop } from './verbs/releases/stop.ts';
import { defineReload } from './verbs/reload.ts';
import { defineServe } from './verbs/serve.ts';
import { defineStatus } from './verbs/status.ts';
import { defineUndrain } from './verbs/undrain.ts';
import { defineUpgrade } from './verbs/upgrade.ts';
import { defineWeight } from './verbs/weight.ts';
import { defineWhy } from './verbs/why.ts';

type Definition = {
  readonly group: 'Run:' | 'Look and steer:' | 'Release:';
  /** Gives the command its arguments, options, help and action. */
  readonly define: (verb: Command) => void;
};

const VERBS: Readonly<Record<string, Definition>> = {
  serve: { group: 'Run:', define: defineServe },
  registry: { group: 'Run:', define: defineRegistry },
  consul: { group: 'Run:', define: defineConsul },
  check: { group: 'Run:', define: defineCheck },
  reload: { group: 'Run:', define: defineReload },
  upgrade: { group: 'Run:', define: defineUpgrade },
  status: { group: 'Look and steer:', define: defineStatus },
  drain: { group: 'Look and steer:', define: defineDrain },
  maint: { group: 'Look and steer:', define: defineMaint },
  undrain: { group: 'Look and steer:', define: defineUndrain },
  gateways: { group: 'Look and steer:', define: defineGateways },
  why: { group: 'Look and steer:', define: defineWhy },
  events: { group: 'Look and steer:', define: defineEvents },
  weight: { group: 'Look and steer:', define: defineWeight },
  instance: { group: 'Look and steer:', define: defineInstance },
  kv: { group: 'Look and steer:', define: defineKv },
  doctor: { group: 'Release:', define: defineDoctor },
  plan: { group: 'Release:', define: definePlan },
  deploy: { group: 'Release:', define: defineDeploy },
  history: { group: 'Release:', define: defineHistory },
  show: { group: 'Release:', define: defineShow },
  logs: { group: 'Release:', define: defineLogs },
  pause: { group: 'Release:', define: definePause },
  resume: { group: 'Release:', define: defineResume },
  approve: { group: 'Release:', define: defineApprove },
  abort: { group: 'Release:', define: defineAbort },
  rollback: { group: 'Release:', define: defineRollback },
  stop: { group: 'Release:', define: defineStop },
};

export function addVerbs(program: Command): void {
  for (const [name, { group, define }] of Object.entries(VERBS)) {
    program.commandsGroup(group);
    define(program.command(name));
  }
}
