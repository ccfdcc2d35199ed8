// The bodies of registrations with the agent: what they say, or why they are refused.

import { isIPv4, isIPv6 } from 'node:net';
import type { KeyTable } from '../../embedded.ts';
import {
  type CheckDefinition,
  checkAliases,
  checkDefinition,
  checkMembers,
  checkType,
  isAnyAddress,
  kindProblem,
  metaProblem,
  nodeService,
  noneIfEmpty,
  problemList,
  type ServiceAddress,
  serviceAliases,
  serviceMembers,
  weightsProblem,
} from '../catalog.ts';
import { type Decoded, decodeBody, integer, list, optional, struct, text } from '../go.ts';
import type { AgentCheck, AgentService } from './agent-state.ts';
import type { CheckStart } from './agent-writes.ts';
import { sidecarService } from './sidecar.ts';

const STATUSES: readonly string[] = ['passing', 'warning', 'critical'];
const counts = { SuccessBeforePassing: integer, FailuresBeforeCritical: integer };

const serviceCheck = struct(
  'structs.CheckType',
  {
    ...{ CheckID: text, Name: text, Status: text, Notes: text },
    ...checkMembers,
    ...counts,
    ...{ ProxyHTTP: text, ProxyGRPC: text },
  },
  { aliases: checkAliases, ignored: ['serviceid', 'service_id'] },
);
type ServiceCheck = Decoded<typeof serviceCheck>;

export const checkBody = struct(
  'structs.CheckDefinition',
  {
    ...{ ID: text, Name: text, Notes: text, ServiceID: text, Token: text, Status: text },
    ...checkMembers,
    ...counts,
  },
  { aliases: { ...checkAliases, service_id: 'ServiceID' } },
);

export const serviceBody = struct(
  'structs.ServiceDefinition',
  {
    ...serviceMembers,
    Name: text,
    Check: optional(serviceCheck),
    Checks: list(serviceCheck),
    Token: text,
  },
  { aliases: serviceAliases },
);
type ServiceBody = Decoded<typeof serviceBody>;

export const updateBody = struct('agent.checkUpdate', { Status: text, Output: text });

/** A refusal with its status. */
export class BodyRefusal extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export type Kinds = {
  /** Whether the agent may run commands that come with a registration. */
  readonly scripts: boolean;
};

export type Registration = {
  readonly service: AgentService;
  readonly checks: readonly CheckStart[];
};

/** The service, and its sidecar when the body has one. @throws BodyRefusal */
export function readService(
  body: ServiceBody,
  kinds: Kinds,
  table: KeyTable,
): Registration & { readonly sidecar: Registration | undefined } {
  const { service, checks } = readOne(body, kinds);
  const nested = body.Connect?.SidecarService ?? null;
  const sidecar = nested === null ? undefined : readSidecar(nested, { service, kinds, table });
  return { service, checks, sidecar };
}

function readSidecar(
  nested: unknown,
  { service, kinds, table }: { service: AgentService; kinds: Kinds; table: KeyTable },
): Registration {
  const invalid = (why: string): BodyRefusal =>
    new BodyRefusal(400, `Bad request: Invalid SidecarService: ${why}`);
  const decoded = decodeBody(JSON.stringify(nested), serviceBody);
  if ('refused' in decoded) throw new BodyRefusal(400, `Request decode failed: ${decoded.refused}`);
  const body = decoded.value;
  if (body.ID !== '') {
    throw new BodyRefusal(
      400,
      problemList(['A SidecarService cannot specify an ID as this is managed by the agent']),
    );
  }
  const given = { ...nodeService(body, body.Name), sidecarOf: '' };
  const sidecar = sidecarService(service, given, table);
  if (sidecar.Port === 0) {
    throw invalid('no port provided for sidecar_service and none left in the configured range');
  }
  const own = readOne({ ...body, ...sidecar, Name: sidecar.Service, Connect: null }, kinds);
  const port = `${sidecar.Proxy?.LocalServiceAddress}:${sidecar.Port}`;
  const looks = {
    ...serviceCheck.zero,
    Name: 'Connect Sidecar Listening',
    TCP: port,
    Interval: 1e10,
  };
  const alias = {
    ...serviceCheck.zero,
    Name: `Connect Sidecar Aliasing ${service.ID}`,
    AliasService: service.ID,
  };
  const checks = own.checks.length > 0 ? own.checks : startsOf([looks, alias], sidecar, kinds);
  return { service: { ...own.service, sidecarOf: service.ID }, checks };
}

function readOne(body: ServiceBody, kinds: Kinds): Registration {
  if (body.Name === '') throw new BodyRefusal(400, 'Missing service name');
  if (isAnyAddress(body.Address)) throw new BodyRefusal(400, 'Invalid service address');
  const weights = body.Weights === null ? '' : weightsProblem(body.Weights);
  if (weights !== '') throw new BodyRefusal(400, `Invalid Weights: ${weights}`);
  const meta = metaProblem(body.Meta);
  if (meta !== '') throw new BodyRefusal(400, `Invalid Service Meta: ${meta}`);
  const kind = kindProblem(body);
  if (kind !== '') throw new BodyRefusal(400, kind);
  const given = [...(isEmpty(body.Check) ? [] : [body.Check]), ...(body.Checks ?? [])];
  const checks = given.filter((check) => check !== null);
  for (const check of checks) {
    const problem = checkProblem(check);
    if (problem !== '') throw new BodyRefusal(400, `Invalid check: ${problem}`);
    if (check.Status !== '' && !STATUSES.includes(check.Status)) {
      throw new BodyRefusal(400, "Status for checks must 'passing', 'warning', 'critical'");
    }
  }
  const plain = nodeService(body, body.Name);
  const service = { ...plain, TaggedAddresses: withOwnAddress(plain), sidecarOf: '' };
  return { service, checks: startsOf(checks, plain, kinds) };
}

function startsOf(
  checks: readonly ServiceCheck[],
  { ID, Service }: Pick<AgentService, 'ID' | 'Service'>,
  kinds: Kinds,
): readonly CheckStart[] {
  return checks.map((check, at) =>
    startOf({
      body: check,
      id: check.CheckID === '' ? defaultId(ID, at, checks.length) : check.CheckID,
      name: check.Name === '' ? `Service '${Service}' check` : check.Name,
      serviceId: ID,
      kinds,
    }),
  );
}

function defaultId(service: string, at: number, of: number): string {
  return of > 1 ? `service:${service}:${at + 1}` : `service:${service}`;
}

/** @throws BodyRefusal */
export function readCheck(body: Decoded<typeof checkBody>, kinds: Kinds): CheckStart {
  if (body.Name === '') throw new BodyRefusal(400, 'Missing check name');
  if (body.Status !== '' && !STATUSES.includes(body.Status)) {
    throw new BodyRefusal(400, 'Bad check status');
  }
  const problem = checkProblem(body);
  if (problem !== '') throw new BodyRefusal(400, `Invalid check: ${problem}`);
  return startOf({
    body,
    id: body.ID === '' ? body.Name : body.ID,
    name: body.Name,
    serviceId: body.ServiceID,
    kinds,
  });
}

type Asked = CheckDefinition &
  Pick<ServiceCheck, 'Notes' | 'Status' | 'SuccessBeforePassing' | 'FailuresBeforeCritical'>;

function startOf({
  body,
  id,
  name,
  serviceId,
  kinds,
}: {
  readonly body: Asked;
  readonly id: string;
  readonly name: string;
  readonly serviceId: string;
  readonly kinds: Kinds;
}): CheckStart {
  const definition = checkDefinition(body);
  const type = checkType(definition);
  if (type === 'script' && !kinds.scripts) {
    throw new BodyRefusal(
      500,
      "Scripts are disabled on this agent from remote calls; to enable, configure 'enable_script_checks' to true",
    );
  }
  if (['docker', 'grpc', ''].includes(type)) {
    throw new BodyRefusal(
      501,
      `check ${JSON.stringify(id)}: this registry runs TTL, HTTP, TCP and alias checks, and no ${type === '' ? 'others' : type}; see docs/consul-compatibility.md`,
    );
  }
  const check: AgentCheck = {
    ...{ id, name, notes: body.Notes, serviceId, type, definition },
    successBeforePassing: body.SuccessBeforePassing,
    failuresBeforeCritical: body.FailuresBeforeCritical,
  };
  return { check, status: body.Status === '' ? 'critical' : body.Status };
}

function isEmpty(check: ServiceCheck | null): boolean {
  if (check === null) return true;
  return Object.values(check).every(
    (value) => value === null || value === '' || value === 0 || value === false,
  );
}

function checkProblem(check: CheckDefinition): string {
  const looks =
    (check.ScriptArgs ?? []).length > 0 || `${check.HTTP}${check.TCP}${check.GRPC}` !== '';
  const isAlias = check.AliasNode !== '' || check.AliasService !== '';
  if (check.Interval > 0 && check.TTL > 0) return 'Interval and TTL cannot both be specified';
  if (looks && check.Interval <= 0) {
    return 'Interval must be > 0 for Script, HTTP, or TCP checks';
  }
  if (looks && isAlias) return 'Interval cannot be set for Alias checks';
  if (isAlias && check.TTL > 0) return 'TTL must be not be set for Alias checks';
  if (!looks && !isAlias && check.TTL <= 0) return 'TTL must be > 0 for TTL checks';
  return check.OutputMaxSize < 0 ? 'MaxOutputMaxSize must be positive' : '';
}

type Tagged = Readonly<Record<string, ServiceAddress>> | null;

/** An address that is one stands under its family as well. */
function withOwnAddress(service: {
  readonly Address: string;
  readonly Port: number;
  readonly TaggedAddresses: Tagged;
}): Tagged {
  const { Address, Port, TaggedAddresses } = service;
  const given: Record<string, ServiceAddress> = { ...TaggedAddresses };
  for (const [tag, isFamily, family] of [
    ['lan_ipv4', isIPv4, 'ipv4'],
    ['wan_ipv4', isIPv4, 'ipv4'],
    ['lan_ipv6', isIPv6, 'ipv6'],
    ['wan_ipv6', isIPv6, 'ipv6'],
  ] as const) {
    const tagged = given[tag];
    if (tagged === undefined && isFamily(Address)) given[tag] = { Address, Port };
    if (tagged !== undefined && !isFamily(tagged.Address)) {
      throw new BodyRefusal(
        500,
        `Service tagged address "${tag}" must be a valid ${family} address`,
      );
    }
  }
  const sorted = Object.entries(given).sort(([left], [right]) => (left < right ? -1 : 1));
  return noneIfEmpty(Object.fromEntries(sorted));
}
