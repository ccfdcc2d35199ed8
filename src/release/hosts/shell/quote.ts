// Values in a shell script: the one place where a text of ours becomes a word of a shell.

/**
 * One word of a POSIX shell, whatever is in it.
 * @throws RangeError of a NUL, which no shell can hold
 */
export function q(word: string): string {
  if (word.includes('\0')) throw new RangeError(`a NUL in ${JSON.stringify(word.slice(0, 40))}`);
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** The script with its arguments in `$1`, `$2`, …: they stand in its text, so no list of processes has them. */
export function withArguments(script: string, words: readonly string[]): string {
  return `set -- ${words.map(q).join(' ')}\n${script}\n`;
}

/** `export A='1'` per variable. Names that are none of a shell's, or are its own, are left out. */
export function exports(env: Readonly<Record<string, string>>): string {
  const lines = Object.entries(env).map(([name, value]) => {
    return /^[A-Za-z_]\w*$/.test(name) && !READ_ONLY.has(name)
      ? `export ${name}=${q(value)}\n`
      : '';
  });
  return lines.join('');
}

/** A shell refuses to set these. */
const READ_ONLY: ReadonlySet<string> = new Set([
  ...['UID', 'EUID', 'PPID', 'SHELLOPTS', 'BASHOPTS', 'BASH_VERSINFO'],
]);
