// The sections of the drivers of instances, beside `driver` in a service: what each of them needs.

import { list, section } from '../shapes.ts';
import { choiceOf, onOff, text } from '../values.ts';

const words = (about: string, initial: readonly string[]) =>
  list(about, text({ about: '', kind: 'text' }), 1).prefault([...initial]);

const templates = (about: string, initial: readonly string[]) =>
  list(about, text({ about: '', kind: 'text' })).prefault([...initial]);

export const systemdSection = section('With `driver: systemd`: the unit that an instance is.', {
  unit: text({
    about: "Its name: `'app@{port}.service'`. The same for every version.",
    kind: 'unit',
  }).prefault(''),
  env_file: text({
    about:
      'Written at each start, for the `EnvironmentFile=` of the unit: `env`, `secrets` and SLUICE_VERSION. Empty: none is written.',
    kind: 'path',
  }).prefault(''),
  user_manager: onOff({
    about: 'The unit is one of the user who deploys: `systemctl --user`.',
    initial: 'off',
  }),
  command: words(
    'How systemctl is called: `[sudo, -n, systemctl]`. journalctl is looked for beside it.',
    ['systemctl'],
  ),
});

export const dockerSection = section('With `driver: docker`: the container that an instance is.', {
  image: text({
    about: "By the version: `'registry.example.com/app:{version}'`.",
    kind: 'image',
  }).prefault(''),
  publish: templates('Ports, as `docker run --publish` takes them. `[]`: none.', [
    '{host}:{port}:{port}',
  ]),
  options: templates('More options of `docker run`: `[--memory, 512m]`.', []),
  restart: text({
    about: 'The restart policy: what docker does when the container ends or the machine was off.',
    kind: 'policy',
    problemOf: (value) =>
      /^(no|always|unless-stopped|on-failure(:\d+)?)$/.test(value)
        ? ''
        : 'is no restart policy; write unless-stopped, always, on-failure or no',
  }).prefault('unless-stopped'),
  pull: choiceOf({
    about: 'When the image is pulled, before anything is stopped.',
    initial: 'missing',
    meanings: {
      missing: 'when the host does not have it',
      always: 'at each release',
      never: 'not at all',
    },
  }),
  command: words('How docker is called: `[sudo, -n, docker]`, `[podman]`.', ['docker']),
});

export const pm2Section = section('With `driver: pm2`: the process that an instance is.', {
  name: text({
    about: 'Its name in pm2. The same for every version.',
    kind: 'name',
  }).prefault('{service}-{port}'),
  home: text({ about: "PM2_HOME. Empty: the user's own.", kind: 'path' }).prefault(''),
  options: templates('More options of `pm2 start`: `[--max-memory-restart, 300M]`.', []),
  command: words('How pm2 is called: `[/opt/node/bin/pm2]`.', ['pm2']),
});
