// The schema of services: what `sluice deploy` starts, stops, drains and checks.

import type { z } from 'zod';
import { requestShape } from './check.ts';
import { approveSchema } from './service/approve.ts';
import { artifactSchema, pipelineShape } from './service/artifact.ts';
import { dockerSection, pm2Section, systemdSection } from './service/drivers.ts';
import { hooksSchema } from './service/hooks.ts';
import { notifySchema } from './service/notify.ts';
import { stopShape } from './service/stop.ts';
import { folder, list, record, section } from './shapes.ts';
import {
  address,
  choice,
  choiceOf,
  duration,
  factor,
  integer,
  onOff,
  percent,
  show,
  text,
  wholeNumber,
} from './values.ts';

export type { ApprovalPoint } from './service/approve.ts';
export {
  NOTIFY_KINDS,
  type NotifyEvent,
  type NotifyFile,
  type NotifyKind,
} from './service/notify.ts';

export const serviceSchema = section(
  'How `sluice deploy` runs the instances of a service, here and on other hosts.',
  {
    upstream: text({
      about: "The upstream whose servers the instances are. Default: the service's name.",
      kind: 'name',
    }).optional(),
    hosts: list(
      'Names of `hosts`: an instance on each of `ports` of each of them, host after host.',
      text({ about: '', kind: 'name' }),
      1,
    ).optional(),
    ports: list(
      'Ports of the instances on each of `hosts`.',
      wholeNumber({ about: '', least: 1, most: 65_535 }),
      1,
    ).optional(),
    instances: list(
      'In place of `hosts` and `ports`: `host:port` of each instance, in release order. The host is a name of `hosts` or the address of one; any other is the machine that deploys.',
      address('An instance.'),
      1,
    ).optional(),
    driver: choiceOf({
      about: 'How an instance is run.',
      initial: 'command',
      meanings: {
        command: 'as a process of `start`',
        systemd: 'as a unit of systemd that is there already',
        docker: 'as a container of an image',
        pm2: 'as a process of `start` under pm2',
      },
      more: ' See drivers.md.',
    }),
    systemd: systemdSection.prefault({}),
    docker: dockerSection.prefault({}),
    pm2: pm2Section.prefault({}),
    ...pipelineShape,
    artifact: artifactSchema.optional(),
    start: list(
      'Command of one instance: a list of words, or one string split on blanks (no shell). `{version} {host} {port} {id} {service}` are filled in. Needed by `command` and `pm2`; with `docker` the words after the image.',
      text({ about: '', kind: 'text' }),
      1,
    ).optional(),
    supervise: onOff({
      about:
        'An instance of driver `command` is started again when it ends: by `sluice serve` on its own machine (also after a reboot), by a keeper on a host behind ssh.',
      initial: 'on',
    }),
    user: text({
      about:
        'Who the instances run as (driver `command`): needs root, or sudo without a password. Empty: who deploys.',
      kind: 'user name',
      problemOf: (value) =>
        /^[A-Za-z_][\w.-]{0,31}\$?$|^$/.test(value)
          ? ''
          : `${show(value)} is not a user name; write one like app`,
    }).prefault(''),
    env: record(
      'Environment of the instances; the same placeholders. `env:NAME` (a variable of whoever deploys), `file:/path` (a whole file) and `cmd:program word` (what it prints; no shell) are references: resolved by whoever deploys at each start, never shown or written down. A plain value that begins so is written `file:///path`.',
      text({ about: '', kind: 'text' }),
    ).prefault({}),
    secrets: record(
      'More of the environment, of which each value must be a reference.',
      text({ about: '', kind: 'text' }),
    ).prefault({}),
    inherit_env: list(
      'Variables of whoever deploys that the instances get, when set, besides PATH, HOME, USER, LOGNAME, SHELL, LANG, LANGUAGE, LC_*, TZ and TMPDIR; `all`: every one but SLUICE_TOKEN and the ids by which job servers end the processes of a job.',
      text({
        about: '',
        kind: 'name',
        problemOf: (value) =>
          /^[A-Za-z_]\w*$/.test(value)
            ? ''
            : `${show(value)} is not a variable name; write letters, digits and _, or all`,
      }),
    ).prefault([]),
    cwd: folder(
      'Folder to start in, relative to this file; with an artifact, relative to the folder of the version. On a host behind ssh, without an artifact: an absolute path there.',
      '.',
    ),
    run_dir: folder(
      'Pids, logs of the instances and journals; relative to `state_dir`. On a host behind ssh: logs of its instances and what guards them; relative to `.sluice` in the home of its user.',
      'run',
    ),
    ...stopShape,
    drain: section('Before an instance is stopped.', {
      timeout: duration({
        about: 'How long to wait until nothing is in flight.',
        initial: '30s',
        least: '0',
      }),
      on_timeout: choice({
        about:
          '`proceed`: stop anyway, the cut requests are counted. `halt`: undrain and stop the release.',
        initial: 'proceed',
        words: ['proceed', 'halt'],
      }),
    }).prefault({}),
    check: section(
      "After an instance was started: the same request as that of the upstream's check, so that both see the same.",
      {
        ...requestShape(
          (initial) => `Left out: as in the upstream's check, else ${initial}.`,
          '`/ping`',
        ),
        interval: duration({ about: 'Between two probes.', initial: '1s', least: '10ms' }),
        timeout: duration({ about: 'Connect and response together.', initial: '1s', least: '1ms' }),
        rise: integer({
          about: 'Passes in a row that are needed.',
          initial: 2,
          least: 1,
          most: 1000,
        }),
        deadline: duration({
          about: 'No pass by then: the release failed.',
          initial: '120s',
          least: '1ms',
        }),
        stable: duration({
          about:
            'After that it must go on passing for this time, within the deadline, before it gets traffic: for a version that dies or fails soon after its start. A failure begins the passes anew. Each instance takes this much longer.',
          initial: '0s',
          least: '0',
        }),
      },
    ).prefault({}),
    verify: section(
      'After an instance was put into traffic: its share of answers with 5xx and of attempts that it failed, over all gateways. Over the limit, while the instances on the old version do not reach it, the release fails there and takes it back. Left out: not looked at. See docs/release.md.',
      {
        window: duration({
          about:
            'How long each instance is looked at. It ends before its time when the limit is passed.',
          initial: '30s',
          least: '1s',
        }),
        min_requests: integer({
          about: 'Fewer requests to the instance are not judged.',
          initial: 20,
          least: 1,
          most: 1_000_000,
        }),
        min_errors: integer({
          about: 'Fewer errors pass, whatever their share.',
          initial: 3,
          least: 1,
          most: 1_000_000,
        }),
        max_5xx: percent({
          about: 'A share of errors up to this passes.',
          initial: '1%',
        }),
        vs_peers: factor({
          about:
            'So does one up to so many times that of the instances which still have the old version, in the same time. 0 = they are not compared.',
          initial: 3,
          most: 1000,
        }),
        on_too_few: choice({
          about: 'What an instance with fewer than `min_requests` does when the window is over.',
          initial: 'pass',
          words: ['pass', 'fail'],
        }),
      },
    ).optional(),
    expect_version: section('Proof that the new version answers.', {
      header: text({
        about: 'Response header of the check that must equal the version; empty = not checked.',
        kind: 'header name',
        problemOf: (value) =>
          /^[\w!#$%&'*+.^`|~-]*$/.test(value)
            ? ''
            : `${show(value)} is not a header name; write one like x-app-version`,
      }).prefault(''),
      from: choiceOf({
        about: 'Which version it has to be.',
        initial: 'release',
        meanings: {
          release: 'the one that is released, by whatever name',
          artifact: "the one in the artifact's stamp, which is the release's name then",
        },
      }),
    }).prefault({}),
    guard: section('When no instance may be taken out.', {
      min_healthy: integer({
        about: 'Servers that must stay eligible.',
        initial: 1,
        least: 0,
        most: 10_000,
      }),
      min_healthy_percent: integer({
        about: "The same in percent of the upstream's servers; the stricter counts.",
        initial: 50,
        least: 0,
        most: 100,
      }),
      wait: duration({
        about: 'How long to wait for others to become eligible.',
        initial: '2m',
        least: '0',
      }),
    }).prefault({}),
    on_failure: choice({
      about:
        '`revert`: bring the failed instance back to the old version. `rollback`: and those that were released before it, the newest first. `park`: leave it out in maint.',
      initial: 'revert',
      words: ['revert', 'park', 'rollback'],
    }),
    approve: approveSchema,
    hooks: hooksSchema,
    notify: notifySchema,
  },
);

export type ServiceFile = z.output<typeof serviceSchema>;
