// The ways of showing a release by their words. Apart from the ways themselves, which load the release engine:
// every start of the program reads these for its options.

export type Environment = Readonly<Record<string, string | undefined>>;

export const OUTPUTS = {
  tty: 'a live table',
  plain: 'a line per event',
  json: 'a JSON event per line (docs/release-events.md)',
  github: 'groups, annotations, summary and outputs of GitHub Actions',
  gitlab: 'collapsible sections of GitLab',
} as const;

export type Output = keyof typeof OUTPUTS;

/** `auto`: by the CI system that runs us, else by the terminal. */
export function outputFor(
  asked: Output | 'auto',
  environment: Environment,
  isTerminal: boolean,
): Output {
  if (asked !== 'auto') return asked;
  if (environment['GITHUB_ACTIONS'] === 'true') return 'github';
  if (environment['GITLAB_CI'] === 'true') return 'gitlab';
  return isTerminal ? 'tty' : 'plain';
}
