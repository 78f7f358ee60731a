import type { Problem } from './source.ts';

/**
 * A line of the configuration file as it may be shown, with stars for what looks like a secret: secrets belong into
 * files of their own, and who wrote one here must not find it in a log.
 */
export function withoutSecrets(line: string): string {
  return line
    .replaceAll(/(?<=(?:password|passphrase|secret|key|token)["']?\s*:\s*)[^\s,}][^,}]*/gi, stars)
    .replaceAll(/[A-Za-z0-9+/=_-]{40,}/g, (word) => (looksRandom(word) ? stars(word) : word));
}

/** A problem as an operator reads it: place, what is wrong, the line with a caret below, what would be right. */
export function describeProblem(file: string, problem: Problem): string {
  const { line, column, setting, message, hint, excerpt } = problem;
  const lines = [
    `${file}:${line}:${column}: ${setting === '' ? '' : `${setting}: `}${message}`,
    `    ${excerpt}`,
    `    ${' '.repeat(column - 1)}^`,
    ...(hint === undefined ? [] : [`    right: ${hint}`]),
  ];
  return `${lines.join('\n')}\n`;
}

function stars(text: string): string {
  return '*'.repeat(text.length);
}

function looksRandom(word: string): boolean {
  return /[a-z]/.test(word) && /[A-Z]/.test(word) && /\d/.test(word);
}
