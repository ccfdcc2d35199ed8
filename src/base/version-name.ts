// What may be the name of a version. It is given on a command line, often by a CI job from the name
// of a branch, and becomes a part of file names, arguments, headers and lines of output.

const VERSION_LENGTH_MAX = 128;
const SHOWN_MAX = 40;

/** Why the text is no version, '' when it is one. No slash: it must not lead out of a folder. */
export function versionProblem(text: string): string {
  if (/^\w[\w.+@:~=-]*$/.test(text) && text.length <= VERSION_LENGTH_MAX) return '';
  const shown = `${JSON.stringify(text.slice(0, SHOWN_MAX))}${text.length > SHOWN_MAX ? '…' : ''}`;
  return (
    `version ${shown}: write 1 to ${VERSION_LENGTH_MAX} letters, digits and . _ - + @ : ~ =, ` +
    'beginning with a letter, a digit or _ (no slash: it becomes a part of file names)'
  );
}
