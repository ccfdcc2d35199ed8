// What a release carries to the hosts: the commands that make and try it, and the archive or folder
// that is unpacked there.

import { list, pathProblem, section } from '../shapes.ts';
import { integer, show, text } from '../values.ts';

const command = text({
  about: '',
  kind: 'command',
  problemOf: (value) => (value.trim() === '' ? 'is empty; write a command or leave it out' : ''),
});

const commands = (about: string) => list(about, command).prefault([]);

/** In the order in which they run. */
export const pipelineShape = {
  build: commands(
    'Commands that make the version, before any host is touched: each by `sh -c` in the folder of this file, in order; the first that fails ends the release. Output is shown and kept beside the journal.',
  ),
  test: commands('The same, after `build`.'),
  scan: commands('The same, after `test`.'),
};

const source = (about: string) =>
  text({ about, kind: 'path', problemOf: (value) => pathProblem(value, 'a path') }).optional();

export const artifactSchema = section(
  'What is brought to the hosts: `<path>/releases/<version>-<checksum>`, one folder per version.',
  {
    file: source(
      'The archive that `build` makes: .tar, .tar.gz, .tgz or .tar.zst; relative to this file.',
    ),
    folder: source('Instead of `file`: a folder that is packed; relative to this file.'),
    path: text({
      about: 'Where it goes on each host.',
      kind: 'path',
      problemOf: (value) => hostPathProblem(value),
    }),
    keep: integer({
      about:
        'Versions that are kept on a host, the newest; what runs and what a revert needs is kept besides.',
      initial: 5,
      least: 1,
      most: 1000,
    }),
    shared: list(
      'Files and folders that all versions share: links to `<path>/shared/…`.',
      text({ about: '', kind: 'path', problemOf: (value) => insideProblem(value) }),
    ).prefault([]),
    link: text({
      about:
        'The link in `path` to the version that was activated last. `{port}`, `{host}` and `{id}` are filled in, for a link per instance.',
      kind: 'name',
      problemOf: (value) =>
        /^(?!\.)(?:[\w.-]|\{(?:port|host|id)\})+$/.test(value) &&
        !['releases', 'shared'].includes(value)
          ? ''
          : `${show(value)} is no name for a link; write one like current, or current-{port}`,
    }).prefault('current'),
    exclude: list(
      'What is left out of `folder`: names, or paths with a slash; `*` stands for any part of a name.',
      text({ about: '', kind: 'pattern' }),
    ).prefault(['.git']),
    stamp: text({
      about: 'The file in the artifact whose first line is its version.',
      kind: 'path',
      problemOf: (value) => insideProblem(value),
    }).prefault('.sluice-version'),
  },
);

function hostPathProblem(value: string): string {
  if (!value.startsWith('/')) return `${show(value)} is not a whole path; begin it with /`;
  if (/^\/+$/.test(value)) return 'is the root of the host; write a folder like /srv/app';
  return /^[\w/.@+-]+$/.test(value) && !value.split('/').includes('..')
    ? ''
    : `${show(value)} is not a plain path; write letters, digits and / . _ @ + - without ..`;
}

/** A name or a path inside the artifact. */
function insideProblem(value: string): string {
  const parts = value.replace(/\/$/, '').split('/');
  return parts.every((part) => !/^\.{0,2}$/.test(part) && !/\p{Cc}/u.test(part))
    ? ''
    : `${show(value)} is not a path inside the artifact; write one like uploads or config/app.json`;
}
