// The rules between a service's driver, the section of that driver, and the keys that only some of the
// drivers can obey: a key that would be ignored is refused.

import type { Path } from '../document.ts';
import type { ServiceFile } from '../sections/service.ts';
import { checkTemplate } from './templates.ts';
import type { Findings } from './upstreams.ts';

export function checkDriver(service: ServiceFile, path: Path, findings: Findings): void {
  const { driver } = service;
  const say = (key: string, message: string, at: 'key' | 'value' = 'value'): void =>
    findings.problem([...path, ...key.split('.')], message, at);
  const missing = (message: string): void => findings.problem([...path, 'driver'], message);
  const isUnit = driver === 'systemd';
  if ((driver === 'command' || driver === 'pm2') && service.start === undefined) {
    say('start', 'is missing; write start: [node, app.js]', 'key');
  }
  if (isUnit && service.start !== undefined) {
    say('start', 'the unit has a command of its own (ExecStart=); remove start', 'key');
  }
  if (isUnit && service.systemd.unit === '') {
    missing("needs to know the unit; write systemd: { unit: 'app@{port}.service' }");
  }
  if (isUnit && service.systemd.env_file === '') {
    const names = [...Object.keys(service.env), ...Object.keys(service.secrets)];
    if (names.length > 0) {
      missing(
        'passes env and secrets by a file that the unit reads; write systemd: { env_file: … }',
      );
    }
  }
  if (isUnit && service.systemd.unit.includes('{version}')) {
    say('systemd.unit', 'has to be the same for every version; remove {version}');
  }
  if (driver === 'docker' && !service.docker.image.includes('{version}')) {
    missing("needs an image by its version; write docker: { image: 'registry/app:{version}' }");
  }
  if (driver === 'pm2' && service.pm2.name.includes('{version}')) {
    say('pm2.name', 'has to be the same for every version; remove {version}');
  }
  if (driver !== 'command' && service.user !== '') {
    say('user', OTHER_USER[driver], 'key');
  }
  if (driver !== 'command' && service.inherit_env.length > 0) {
    say('inherit_env', 'is of driver command; name what the instance needs in env', 'key');
  }
  checkStop(service, say);
  const { systemd, docker, pm2 } = service;
  checkTemplate(systemd.unit, [...path, 'systemd', 'unit'], findings);
  checkTemplate(systemd.env_file, [...path, 'systemd', 'env_file'], findings);
  checkTemplate(docker.image, [...path, 'docker', 'image'], findings);
  for (const [key, words] of [
    ['docker', 'publish'],
    ['docker', 'options'],
  ] as const) {
    for (const [at, word] of docker[words].entries()) {
      checkTemplate(word, [...path, key, words, at], findings);
    }
  }
  checkTemplate(pm2.name, [...path, 'pm2', 'name'], findings);
}

const OTHER_USER = {
  systemd: 'is the matter of the unit: write User= there, and remove user',
  docker: 'is the matter of docker: write docker: { options: [--user, …] }, and remove user',
  pm2: 'is the matter of pm2: its processes run as the user of its daemon; remove user',
} as const;

function checkStop(
  { driver, stop, stop_timeout }: ServiceFile,
  say: (key: string, message: string, at?: 'key') => void,
): void {
  if (stop.timeout !== undefined && stop_timeout !== undefined) {
    say('stop_timeout', 'is written as stop.timeout, too; remove stop_timeout', 'key');
  }
  if (driver === 'systemd') {
    if (stop.signal !== undefined) {
      say('stop.signal', 'is the matter of the unit: write KillSignal= there', 'key');
    }
    if (stop.to !== undefined)
      say('stop.to', 'is the matter of the unit: write KillMode= there', 'key');
  }
  if (driver === 'docker' && stop.to === 'tree') {
    say('stop.to', 'docker signals the first process of a container alone; write main', 'key');
  }
  if (driver === 'pm2') {
    const message =
      'is the matter of pm2 (PM2_KILL_SIGNAL of its daemon, --no-treekill); remove it';
    if (stop.signal !== undefined) say('stop.signal', message, 'key');
    if (stop.to !== undefined) say('stop.to', message, 'key');
  }
}
