// What the demo prints: acts with a number, commands as a user would type them, facts. 80 columns;
// colours on a terminal alone (NO_COLOR and FORCE_COLOR are obeyed).

import { styleText } from 'node:util';
import { wrap as wrapWords } from '../../src/base/wrap.ts';

const COLUMNS = 80;
const INDENT = '   ';

type Style = Parameters<typeof styleText>[0];

function paint(style: Style, text: string): string {
  // `stream` makes styleText look at the terminal and at NO_COLOR, FORCE_COLOR.
  return styleText(style, text, { stream: process.stdout });
}

let acts = 0;

/** Begins an act: its title, and one or two sentences on what is about to be seen. */
export function act(title: string, explanation: string): void {
  acts += 1;
  console.log(`\n${paint('bold', `${acts}  ${title}`)}`);
  for (const line of wrap(explanation)) console.log(paint('dim', INDENT + line));
}

export function title(text: string, explanation: string): void {
  console.log(paint('bold', text));
  for (const line of wrap(explanation, COLUMNS)) console.log(line);
}

/** A command that the demo runs, in a form that can be typed. */
export function command(text: string): void {
  console.log(`${INDENT}${paint('cyan', `$ ${text}`)}`);
}

/** A line of a program's output as it is, cut to the width. */
export function line(text: string): void {
  const room = COLUMNS - INDENT.length;
  console.log(INDENT + (text.length > room ? `${text.slice(0, room - 1)}…` : text));
}

/** A line of a program's output, continued further in when it is too long. */
export function block(text: string): void {
  const indent = INDENT + text.slice(0, text.length - text.trimStart().length);
  const [first = '', ...rest] = wrap(text.trim(), COLUMNS - indent.length);
  console.log((indent + first).trimEnd());
  for (const part of wrap(rest.join(' '), COLUMNS - indent.length - 10)) {
    if (part !== '') console.log(`${indent}          ${part}`);
  }
}

/** A sentence of fact, wrapped. */
export function fact(text: string): void {
  for (const part of wrap(text)) console.log(INDENT + part);
}

export function good(text: string): void {
  for (const part of wrap(text)) console.log(INDENT + paint('green', part));
}

export function bad(text: string): void {
  for (const part of wrap(text)) console.log(INDENT + paint('red', part));
}

/** Beside the indent, when nothing else is said. */
function wrap(text: string, columns = COLUMNS - INDENT.length): string[] {
  return wrapWords(text, columns);
}
