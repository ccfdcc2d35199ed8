// The rules between keys of what services carry to their hosts.

import { isAbsolute, normalize } from 'node:path';
import type { Path } from '../document.ts';
import type { ServiceFile } from '../sections/service.ts';
import type { Findings, Parts } from './upstreams.ts';

type ArtifactFile = NonNullable<ServiceFile['artifact']>;

const ARCHIVE = /\.(?:tar|tgz|tar\.gz|tar\.zst)$/;

export function applyArtifactRules({ services }: Parts, findings: Findings): void {
  /** Folder on the hosts → the service whose versions are in it: each removes what it does not know. */
  const owners = new Map<string, string>();
  for (const [name, { value, path }] of services) {
    if (value === undefined) continue;
    checkProof(value, path, findings);
    const { artifact } = value;
    if (artifact === undefined) continue;
    const place = [...path, 'artifact'];
    checkSource(artifact, place, findings);
    checkShared(artifact, place, findings);
    const folder = normalize(`${artifact.path}/`);
    const owner = owners.get(folder);
    if (owner !== undefined) {
      const message = `${artifact.path} is the folder of ${owner} already; give each service its own`;
      findings.problem([...place, 'path'], message);
    }
    owners.set(folder, owner ?? name);
    if (!isAbsolute(value.cwd) && normalize(value.cwd).startsWith('..')) {
      const message =
        'leads out of the artifact, in whose folder it begins; write a folder in it, or a whole path';
      findings.problem([...path, 'cwd'], message);
    }
  }
}

function checkSource({ file, folder }: ArtifactFile, path: Path, findings: Findings): void {
  if (file !== undefined && folder !== undefined) {
    findings.problem([...path, 'folder'], 'stands beside file; keep one of the two');
  } else if (file === undefined && folder === undefined) {
    findings.problem(path, 'names nothing to bring; write file: app.tgz or folder: dist');
  } else if (file !== undefined && !ARCHIVE.test(file)) {
    findings.problem(
      [...path, 'file'],
      'is no archive by its name; write one that ends in .tar, .tar.gz, .tgz or .tar.zst',
    );
  }
}

function checkShared({ shared }: ArtifactFile, path: Path, findings: Findings): void {
  const names = shared.map((name) => name.replace(/\/$/, ''));
  for (const [index, name] of names.entries()) {
    const other = names.find((one, at) => at < index && (one === name || isWithin(one, name)));
    if (other === undefined) continue;
    const message =
      other === name ? 'is listed already' : `is a part of ${other}, or the other way`;
    findings.problem([...path, 'shared', index], `${message}; keep one of the two`);
  }
}

function isWithin(one: string, other: string): boolean {
  return one.startsWith(`${other}/`) || other.startsWith(`${one}/`);
}

/** The version of the artifact has to be answered by it, not repeated to it. */
function checkProof(service: ServiceFile, path: Path, findings: Findings): void {
  const { header, from } = service.expect_version;
  if (from !== 'artifact') return;
  const place = [...path, 'expect_version', 'from'];
  if (service.artifact === undefined) {
    findings.problem(place, 'there is no artifact; add artifact: { file: …, path: … }');
  }
  if (header === '') {
    findings.problem(place, 'there is no header to compare; add header: x-app-version');
  }
  for (const [name, text] of Object.entries(service.env)) {
    if (!text.includes('{version}')) continue;
    findings.warning(
      [...path, 'env', name],
      'repeats the version to the instance: when it answers with that, nothing is proven; let it read the stamp in its artifact',
    );
  }
}
