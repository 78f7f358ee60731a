import type { Random } from './random.ts';

/** Makes a text by one rule of a grammar. */
export type Rule = (random: Random) => string;

/** A choice; a text stands for itself. What is listed twice comes twice as often. */
export function either(...choices: readonly (string | Rule)[]): Rule {
  return (random) => said(random.pick(choices), random);
}

/** One behind the other. */
export function row(...parts: readonly (string | Rule)[]): Rule {
  return (random) => {
    let text = '';
    for (const part of parts) {
      text += said(part, random);
    }
    return text;
  };
}

/** From `least` to `most` times. */
export function times(least: number, most: number, part: string | Rule): Rule {
  return (random) => {
    let text = '';
    for (let left = least + random.below(most - least + 1); left > 0; left -= 1) {
      text += said(part, random);
    }
    return text;
  };
}

/** Mostly the first, seldom the second: what is wrong in every place gets nowhere. */
export function mostly(usual: string | Rule, seldom: string | Rule): Rule {
  return (random) => said(random.oneIn(8) ? seldom : usual, random);
}

/** A rule that is looked up when it is used, for grammars that contain themselves. */
export function later(rule: () => Rule): Rule {
  return (random) => rule()(random);
}

/** Base64 of what a rule makes. */
export function base64(part: string | Rule): Rule {
  return (random) => Buffer.from(said(part, random), 'latin1').toString('base64');
}

/** A few octets of any kind. */
export const garbage: Rule = (random) => {
  let text = '';
  for (let left = random.below(12); left > 0; left -= 1) {
    text += String.fromCharCode(random.below(256));
  }
  return text;
};

/** Texts that have broken other servers. */
export const nasty: Rule = either(
  '\0',
  '\r',
  '\n',
  '\r\n',
  '\t',
  '\x7f',
  '\xff\xfe',
  '\xc3\x28',
  '\xe2\x80\xae',
  '"',
  '\\',
  '\\"',
  '{0}',
  '{1+}',
  '*',
  '%',
  '%s%n',
  '__proto__',
  'constructor',
  '../../etc/passwd',
  ')(uid=*',
  '=',
  ' ',
  garbage,
);

/** Numbers around limits. */
export const number: Rule = either(
  '0',
  '1',
  '2',
  '3',
  '7',
  '10',
  '127',
  '128',
  '255',
  '256',
  '4095',
  '4096',
  '4097',
  '16384',
  '65535',
  '65536',
  '2147483647',
  '2147483648',
  '4294967296',
  '99999999999999999999',
  '-1',
  '01',
  '1.5',
  '1e3',
);

function said(part: string | Rule, random: Random): string {
  return typeof part === 'string' ? part : part(random);
}
