import type { Arguments } from '../../../protocols/imap/arguments.ts';

/** Gives the text up to the next literal, or the end. */
export function textOf(args: Arguments): string {
  const words = [args.word() ?? ''];
  while (args.space()) {
    words.push(args.word() ?? '');
  }
  return words.join(' ').trim();
}

/** Splits arguments into parentheses, words and strings; the last without their quotes. */
export function tokensOf(args: Arguments): readonly string[] {
  const tokens: string[] = [];
  for (;;) {
    tokens.push(...tokensIn(textOf(args)));
    const literal = args.astring();
    if (literal === undefined) {
      return tokens;
    }
    tokens.push(literal.toString('utf8'));
  }
}

/** The same, without the parentheses. */
export function wordsOf(args: Arguments): readonly string[] {
  return tokensOf(args).filter((token) => token !== '(' && token !== ')');
}

function tokensIn(text: string): readonly string[] {
  const matches = text.matchAll(/"((?:[^"\\]|\\.)*)"|[()]|[^\s()"]+/g);
  return [...matches].map(([token, quoted]) => quoted?.replaceAll(/\\(.)/g, '$1') ?? token);
}
