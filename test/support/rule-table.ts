/** The table of rules and the tests that show them, generated from the names of the tests. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { RULES, type Rule, type RuleGroup } from '../rules.ts';

/** A test, as vitest lists it. */
export interface ListedTest {
  /** With the names of the blocks around it, joined by ` > `. */
  readonly name: string;
  readonly file: string;
}

const LIST_OCTETS = 16 * 1024 * 1024;

/** Lists all tests of the project, in a process of its own. */
export async function listTests(): Promise<readonly ListedTest[]> {
  const program = new URL('list-tests.ts', import.meta.url).pathname;
  const { stdout } = await promisify(execFile)(process.execPath, [program], { maxBuffer: LIST_OCTETS });
  return JSON.parse(stdout) as ListedTest[];
}

/** The tests that name a rule by its id. */
export function testsOf({ id }: Rule, tests: readonly ListedTest[]): readonly ListedTest[] {
  const named = new RegExp(`(?<![\\w.-])${id}(?![\\w.-])`);
  return tests.filter(({ name }) => named.test(name));
}

/** The ids of rules that no test names, and that do not say why. */
export function unshownRules(tests: readonly ListedTest[]): readonly string[] {
  return RULES.flatMap(({ rules }) => rules)
    .filter((rule) => rule.untested === undefined && testsOf(rule, tests).length === 0)
    .map(({ id }) => id);
}

/** The whole table in Markdown. */
export function ruleTable(tests: readonly ListedTest[]): string {
  return RULES.map((group) => groupTable(group, tests)).join('\n');
}

function groupTable({ title, rules }: RuleGroup, tests: readonly ListedTest[]): string {
  const rows = rules.map((rule) => `| ${rule.id} | ${cell(rule.rule)} | ${shownBy(rule, tests)} |`);
  return [`## ${title}`, '', '| rule | what holds | shown by |', '|---|---|---|', ...rows, ''].join('\n');
}

function shownBy(rule: Rule, tests: readonly ListedTest[]): string {
  const shown = testsOf(rule, tests).map(({ name, file }) => `${file}: ${cell(name)}`);
  if (shown.length > 0) {
    return shown.join('<br>');
  }
  return rule.untested === undefined ? '**nothing**' : `no test: ${cell(rule.untested)}`;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll(/[\r\n]+/g, ' ');
}
