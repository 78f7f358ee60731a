import { WIRE_ANSWER } from '../../auth/failure.ts';
import type { MailProtocol } from '../../protocols/protocol.ts';
import type { Cut } from './fuzz-transport.ts';
import { essenceOf, type NodePlay, nodeTermsOf, playNode } from './node-play.ts';
import { must, mustEqual } from './oracles.ts';
import { Random } from './random.ts';
import type { Sample } from './sample.ts';
import type { Effort } from './target.ts';

/** What the proxy may say to a node in one protocol. */
export interface NodeDialect {
  readonly protocol: MailProtocol;
  /** A whole line of ours, in TLS or where there is none. */
  readonly line: RegExp;
  /** One that may be said before TLS where TLS is required. */
  readonly beforeTls: RegExp;
  /** The node's line that lets us in. */
  readonly letsIn: RegExp;
  /** Checks what is said to the client of a session, and that it is no secret of the node. */
  readonly checkSession: (play: NodePlay) => void;
}

/** What holds for a login at a node of any protocol. @returns how it ended. @throws {Violation} */
export async function runNode(dialect: NodeDialect, sample: Sample, effort: Effort): Promise<string> {
  const { protocol } = dialect;
  const terms = () => nodeTermsOf(sample, protocol.name);
  const one = await playNode(protocol, sample.pieces, terms(), 'whole');
  checkWords(dialect, one, terms().startTls);
  checkEnd(dialect, one);
  for (const cut of cutsFor(sample, effort)) {
    const other = await playNode(protocol, sample.pieces, terms(), cut);
    mustEqual('means the same however it is cut', essenceOf(other), essenceOf(one));
  }
  return [linesOf(one.clear).length, linesOf(one.secured ?? '').length, wayOf(one)].join(' ');
}

function checkWords({ line, beforeTls }: NodeDialect, { clear, secured }: NodePlay, startTls: boolean): void {
  for (const said of linesOf(clear)) {
    must((startTls ? beforeTls : line).test(said), 'says nothing of a login before TLS', () => said);
  }
  for (const said of linesOf(secured ?? '')) {
    must(line.test(said), 'speaks the protocol to the node', () => said);
  }
}

function checkEnd({ letsIn, checkSession }: NodeDialect, play: NodePlay): void {
  const { session, residual, failure, sasl, heard, secured, closed } = play;
  if (session === undefined) {
    must(failure !== undefined && failure.reason in WIRE_ANSWER, 'fails for a reason', () => String(failure));
    must(closed, 'closes where it was not let in', () => failure.message);
    must(/^[\x20-\x7e]*$/.test(failure.message), 'logs printable text', () =>
      JSON.stringify(failure.message),
    );
    return;
  }
  must(!closed, 'keeps the connection that it was let in by', () => heard);
  must(sasl.verified, 'wants the proof of the node', () => heard);
  must(
    (secured === undefined) === (session.transport.tls === undefined),
    'hands on the secured one',
    () => heard,
  );
  must(heard.endsWith(residual), 'gives the client what is behind the login', () => residual);
  const used = heard.slice(0, heard.length - residual.length);
  must(used.endsWith('\n'), 'reads whole lines', () => used);
  must(letsIn.test(used), 'waits for an exact OK', () => used);
  checkSession(play);
}

function wayOf({ session, residual, failure }: NodePlay): string {
  if (failure !== undefined) {
    // The step, without the node's own words.
    return `${failure.reason} ${failure.message.split(':', 1)[0]}`;
  }
  return `in ${session?.welcome.capabilities.length} ${residual === '' ? '' : 'residual'}`;
}

function cutsFor({ variant, pieces }: Sample, effort: Effort): readonly Cut[] {
  const random = new Random(variant * 31 + pieces.join('').length);
  const quick: readonly Cut[] = random.oneIn(4) ? [random] : [];
  return effort === 'quick' ? quick : [...quick, 'octets', new Random(1), new Random(2)];
}

function linesOf(output: string): readonly string[] {
  must(output === '' || output.endsWith('\r\n'), 'speaks by lines', () => output);
  return output.split('\r\n').slice(0, -1);
}
