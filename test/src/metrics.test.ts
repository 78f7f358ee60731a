import { describe, expect, it } from 'vitest';
import type { LoginEvent, SessionEnd } from '../../src/events.ts';
import { makeMetrics } from '../../src/metrics.ts';

const CONNECTION = { session: 'S', protocol: 'imap', client: '192.0.2.1', clientPort: 1 } as const;
const LOGIN: LoginEvent = {
  event: 'login',
  ...CONNECTION,
  result: 'ok',
  user: 'ann@example.org',
  mechanism: 'PLAIN',
  tls: 'TLSv1.3',
  node: 'node-a',
  directoryMs: 3,
  nodeMs: 40,
  ms: 50,
};
const SESSION_END: SessionEnd = {
  event: 'sessionEnd',
  ...CONNECTION,
  user: 'ann@example.org',
  node: 'node-a',
  received: 100,
  sent: 2000,
  ms: 9,
  endedBy: 'client',
  how: 'closed',
};

function metrics() {
  return makeMetrics({ droppedLines: () => 7 });
}

describe('the metrics', () => {
  it('count logins by protocol, result, mechanism and TLS', async () => {
    const { observe, text } = metrics();

    observe(LOGIN);
    observe({ ...LOGIN, result: 'wrongPassword', tls: 'none' });

    expect(await text()).toContain(
      'homing_logins_total{protocol="imap",result="ok",mechanism="PLAIN",tls="TLSv1.3"} 1\n' +
        'homing_logins_total{protocol="imap",result="wrongPassword",mechanism="PLAIN",tls="none"} 1\n',
    );
  });

  it('call each mechanism by its name', async () => {
    const { observe, text } = metrics();

    for (const mechanism of ['LOGIN command', 'USER', 'SCRAM-SHA-256']) observe({ ...LOGIN, mechanism });

    expect(await text()).toContain('mechanism="LOGIN command",tls="TLSv1.3"} 1\n');
    expect(await text()).toContain('mechanism="USER",tls="TLSv1.3"} 1\n');
    expect(await text()).toContain('mechanism="SCRAM-SHA-256",tls="TLSv1.3"} 1\n');
  });

  it('grow no further by more names of mechanisms than there can be', async () => {
    const { observe, text } = metrics();

    for (let at = 1; at <= 100; at += 1) observe({ ...LOGIN, mechanism: `X-${at}` });
    observe({ ...LOGIN, mechanism: 'X-1' });

    expect(await text()).toContain('mechanism="X-1",tls="TLSv1.3"} 2\n');
    expect(await text()).toContain('mechanism="X-32",tls="TLSv1.3"} 1\n');
    expect(await text()).toContain('mechanism="other",tls="TLSv1.3"} 68\n');
  });

  it('count logins by the configured name of their node, and nodes that failed', async () => {
    const { observe, text } = metrics();

    observe({ ...LOGIN, node: 'mail7.example.org', nodeEntry: '*.example.org' });
    observe({ ...LOGIN, result: 'nodeUnreachable', nodeEntry: 'node-a' });
    observe(LOGIN);
    observe({
      event: 'memberFailed',
      session: 'S',
      protocol: 'imap',
      node: 'mail7.example.org',
      nodeEntry: '*.example.org',
      reason: 'nodeTlsFailed',
      detail: 'x',
    });

    expect(await text()).toContain('homing_node_logins_total{node="*.example.org",result="ok"} 1\n');
    expect(await text()).toContain('homing_node_logins_total{node="node-a",result="nodeUnreachable"} 1\n');
    expect(await text()).toContain('homing_node_logins_total{node="other",result="ok"} 1\n');
    expect(await text()).toContain(
      'homing_node_failures_total{node="*.example.org",reason="nodeTlsFailed"} 1\n',
    );
    expect(await text()).not.toContain('mail7');
  });

  it('count the nodes of a pattern that trust anyone', async () => {
    const { observe, text } = metrics();
    const found = { event: 'nodeTrust', nodeEntry: '*.example.org', protocol: 'imap', detail: '' } as const;

    observe({ ...found, node: 'a.example.org', trustsAnyone: true });
    observe({ ...found, node: 'b.example.org', trustsAnyone: true });
    observe({ ...found, node: 'a.example.org', trustsAnyone: false });

    expect(await text()).toContain('homing_node_trusts_anyone{node="*.example.org",protocol="imap"} 1\n');
  });

  it('count no node of a login that did not get that far', async () => {
    const { observe, text } = metrics();
    const { node: _, ...login } = LOGIN;

    observe({ ...login, result: 'wrongPassword' });

    expect(await text()).not.toContain('homing_node_logins_total{');
  });

  it('show 0 from the start where all labels are known', async () => {
    const { observe, text } = metrics();

    observe({ event: 'listening', protocol: 'pop3', address: '::', port: 110, tls: 'starttls' });

    for (const series of [
      'homing_sessions{protocol="pop3"}',
      'homing_relayed_octets_total{protocol="pop3",direction="sent"}',
      'homing_connections_refused_total{protocol="pop3",why="tooManyConnections"}',
      'homing_connections_refused_total{protocol="pop3",why="acceptFailed"}',
    ]) {
      expect(await text()).toContain(`${series} 0\n`);
    }
  });

  it('make no label of what a client sent', async () => {
    const { observe, text } = metrics();

    observe({ ...LOGIN, tls: 'SSLv9' });

    expect(await text()).toContain('tls="other"} 1\n');
    expect(await text()).not.toContain('ann@example.org');
  });

  it('show how long the directory, the node and the whole login took', async () => {
    const { observe, text } = metrics();

    observe(LOGIN);

    expect(await text()).toContain('homing_login_directory_seconds_bucket{le="0.005"} 1\n');
    expect(await text()).toContain('homing_login_node_seconds_sum 0.04\n');
    expect(await text()).toContain('homing_login_seconds_bucket{le="0.05",protocol="imap"} 1\n');
  });

  it('know the open sessions: a login opens one, its end closes it', async () => {
    const { observe, text } = metrics();

    observe(LOGIN);
    observe(LOGIN);
    observe({ ...LOGIN, result: 'nodeUnreachable' });
    observe(SESSION_END);

    expect(await text()).toContain('homing_sessions{protocol="imap"} 1\n');
    expect(await text()).toContain('homing_session_ends_total{protocol="imap",by="client",how="closed"} 1\n');
  });

  it('add up the octets of each direction', async () => {
    const { observe, text } = metrics();

    observe(SESSION_END);
    observe(SESSION_END);

    expect(await text()).toContain('homing_relayed_octets_total{protocol="imap",direction="received"} 200\n');
    expect(await text()).toContain('homing_relayed_octets_total{protocol="imap",direction="sent"} 4000\n');
  });

  it('count connections that came to nothing, and those not let in', async () => {
    const { observe, text } = metrics();

    observe({ event: 'connectionEnd', ...CONNECTION, how: 'notMail', ms: 1 });
    observe({ event: 'connectionRefused', protocol: 'imap', client: '192.0.2.1', why: 'tooManyConnections' });

    expect(await text()).toContain('homing_connection_ends_total{protocol="imap",how="notMail"} 1\n');
    expect(await text()).toContain(
      'homing_connections_refused_total{protocol="imap",why="tooManyConnections"} 1\n',
    );
  });

  it('show which directory servers are up', async () => {
    const { observe, text } = metrics();

    observe({ event: 'directoryState', server: 'ldap://a', up: true });
    observe({ event: 'directoryState', server: 'ldap://a', up: false });

    expect(await text()).toContain('homing_directory_server_up{server="ldap://a"} 0\n');
  });

  it('count bugs and lost log lines, and tell of the process', async () => {
    const { observe, text } = metrics();

    observe({ event: 'bug', detail: 'boom' });

    expect(await text()).toContain('homing_bugs_total 1\n');
    expect(await text()).toContain('homing_log_lines_dropped_total 7\n');
    expect(await text()).toContain('process_cpu_seconds_total');
  });

  it('show the throttle where there is one', async () => {
    const state = {
      keys: new Map([['address', 5]] as const),
      refusals: new Map([['user', 3]] as const),
      knownWrong: 2,
      knownUsers: 4,
    };
    const { observe, text } = makeMetrics({ droppedLines: () => 0, throttle: async () => state });

    observe({ event: 'throttleStart', kind: 'user', user: 'ann' });

    expect(await text()).toContain('homing_throttle_keys{kind="address"} 5\n');
    expect(await text()).toContain('homing_throttle_refusals_total{kind="user"} 3\n');
    expect(await text()).toContain('homing_throttle_known_wrong_total 2\n');
    expect(await text()).toContain('homing_throttle_known_users 4\n');
    expect(await text()).toContain('homing_throttle_starts_total{kind="user"} 1\n');
  });

  it('begin at 0, so that the first of its kind is seen', async () => {
    const { observe, text } = metrics();

    observe({ event: 'listening', protocol: 'pop3', address: '::', port: 1, tls: 'implicit' });

    const shown = await text();
    expect(shown).toContain('homing_connection_ends_total{protocol="pop3",how="strayProxyHeader"} 0\n');
    expect(shown).toContain('homing_throttle_starts_total{kind="user"} 0\n');
    expect(shown).toContain(
      'homing_logins_total{protocol="pop3",result="directoryDown",mechanism="PLAIN",tls="TLSv1.3"} 0\n',
    );
    expect(shown).toContain('homing_certificate_refused_total 0\n');
  });

  it('count certificates that can not be used', async () => {
    const { observe, text } = metrics();

    observe({ event: 'certificateRefused', file: 'a.pem', detail: 'no' });

    expect(await text()).toContain('homing_certificate_refused_total 1\n');
  });

  it('show how full the proxy is, and of whom', async () => {
    const { observe, text, watchConnections } = metrics();

    watchConnections(() => ({ open: 5, limits: new Map([['unauthenticated', 4000]]) }));
    observe(LOGIN);
    observe(LOGIN);

    const shown = await text();
    expect(shown).toContain('homing_connections 5\n');
    expect(shown).toContain('homing_waiting_connections 3\n');
    expect(shown).toContain('homing_limit{kind="unauthenticated"} 4000\n');
  });
});
