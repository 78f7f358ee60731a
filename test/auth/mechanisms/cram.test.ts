import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { cramClient } from '../../../auth/mechanisms/cram.ts';
import { Secret } from '../../../auth/secret.ts';

const KEY = 'the-proxys-key';
const CHALLENGE = Buffer.from('<1896.697170952@postoffice.reston.mci.net>');

function hmac(hash: string, key: string, text: string): string {
  return createHmac(hash, key).update(text).digest('hex');
}

function respond(service = 'imap', user = 'al;ice é@example.org'): string {
  const facts = new Map([
    ['addr', '203.0.113.7'],
    ['home', '/srv/mail/a b,c=d'],
    ['quota', '10S'],
  ]);
  const client = cramClient('sha256', {
    proxy: 'proxy1',
    key: new Secret(Buffer.from(KEY)),
    service,
    user,
    facts,
  });
  return String(client.respond(CHALLENGE));
}

describe('CRAM towards a Courier node', () => {
  it('states the user and the facts, with every separator escaped', () => {
    const [statement] = respond().split(/;[0-9a-f]{64} /);

    expect(statement).toBe(
      'al%3bice%20%c3%a9@example.org;p=proxy1,addr=203.0.113.7,home=/srv/mail/a%20b%2cc%3dd,quota=10S',
    );
  });

  it('A32 signs the statement with the challenge of this very connection', () => {
    const [, statement = '', mac] = /^(.*);([0-9a-f]{64}) [0-9a-f]+$/.exec(respond()) ?? [];

    expect(mac).toBe(hmac('sha256', KEY, `${CHALLENGE} ${statement}`));
  });

  it('A32 answers the challenge with a secret that is derived for the service and the user', () => {
    const digest = respond().split(' ').at(-1);
    const secret = hmac('sha256', KEY, 'imap:al;ice é@example.org');

    expect(digest).toBe(hmac('sha256', secret, CHALLENGE.toString()));
    expect(respond('pop3').split(' ').at(-1)).not.toBe(digest);
    expect(respond('imap', 'bob').split(' ').at(-1)).not.toBe(digest);
  });

  it('waits for the challenge: CRAM has no initial response (RFC 2195)', () => {
    const client = cramClient('md5', {
      proxy: 'p',
      key: new Secret(Buffer.from(KEY)),
      service: 'imap',
      user: 'u',
      facts: new Map(),
    });

    expect(client.mechanism).toBe('CRAM-MD5');
    expect(client.initialResponse()).toBeUndefined();
  });
});
