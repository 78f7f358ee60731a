import { describe, expect, it } from 'vitest';
import { LoginFailure } from '../../../auth/failure.ts';
import { oauthBearerServer, xoauth2Server } from '../../../auth/oauth/mechanisms.ts';
import { badToken, type TokenJudge, type TokenVerdict, tokenExpired } from '../../../auth/oauth/token.ts';
import type { ServerStep } from '../../../auth/sasl.ts';

const GUIDE = { scope: 'mail offline', openidConfiguration: 'https://id.example.org/conf' };
const ANYONE = async () => undefined;
const VALID: TokenVerdict = { kind: 'valid', user: 'ann@example.org' };

function judge(verdict: TokenVerdict, seen: string[] = []): TokenJudge {
  return {
    guide: { scope: 'of the first provider' },
    judge: async (token) => {
      seen.push(token.octets.toString());
      return { verdict, guide: GUIDE };
    },
  };
}

interface Terms {
  readonly verdict?: TokenVerdict;
  readonly hosts?: readonly string[];
}

async function step(
  make: typeof oauthBearerServer,
  message: string | undefined,
  { verdict = VALID, hosts = [] }: Terms = {},
): Promise<ServerStep> {
  const server = make({ tokens: judge(verdict), hosts, judgeMs: 1000, admit: ANYONE });
  return await server.step(
    message === undefined ? undefined : Buffer.from(message),
    new AbortController().signal,
  );
}

/** What the client is told, as text, and why, for an operator. */
async function refusal(...parameters: Parameters<typeof step>) {
  const result = await step(...parameters);
  if (result.kind !== 'proof' || result.proof.kind !== 'refuted') {
    throw new Error('it was not refused');
  }
  const { reason, detail, authcid } = result.proof;
  return { told: result.last?.toString(), reason, detail, user: authcid.toString() };
}

const FROM_ANN = {
  OAUTHBEARER: [oauthBearerServer, 'n,a=bob,\x01host=Mail.Example.org.\x01port=993\x01auth=Bearer t\x01\x01'],
  XOAUTH2: [xoauth2Server, 'user=bob\x01auth=Bearer t\x01\x01'],
} as const;

describe.each(Object.entries(FROM_ANN))('%s', (_name, [make, message]) => {
  it('asks for the message with an empty challenge', async () => {
    expect(await step(make, undefined)).toEqual({ kind: 'challenge', challenge: Buffer.alloc(0) });
  });

  it('proves the user of the token, and lets the client only say as whom to act', async () => {
    expect(await step(make, message)).toEqual({
      kind: 'proof',
      proof: {
        kind: 'proved',
        shown: 'token',
        authcid: Buffer.from('ann@example.org'),
        authzid: Buffer.from('bob'),
        judgedMs: expect.any(Number),
      },
    });
  });

  it('takes what breaks its grammar for malformed, and asks no provider', async () => {
    const seen: string[] = [];
    const server = make({ tokens: judge(VALID, seen), hosts: [], judgeMs: 1000, admit: ANYONE });

    expect(await server.step(Buffer.from('rubbish'), new AbortController().signal)).toEqual({
      kind: 'malformed',
    });
    expect(seen).toEqual([]);
  });

  it('says no error when the provider can not be asked: the token may be good', async () => {
    const down: TokenVerdict = { ...badToken('https://id: no answer in time'), reason: 'providerDown' };

    expect(await refusal(make, message, { verdict: down })).toEqual({
      told: undefined,
      reason: 'providerDown',
      detail: 'https://id: no answer in time',
      user: 'bob',
    });
  });

  it('is brought to no provider for a client that is throttled (A19)', async () => {
    const seen: string[] = [];
    const named: string[] = [];
    const admit = async (user: Buffer) => {
      named.push(user.toString());
      throw new LoginFailure('throttled', 'too many');
    };
    const server = make({ tokens: judge(VALID, seen), hosts: [], judgeMs: 1000, admit });

    const refused = await server.step(Buffer.from(message), new AbortController().signal);

    expect(refused).toEqual({
      kind: 'proof',
      proof: {
        kind: 'refuted',
        shown: 'token',
        reason: 'throttled',
        detail: 'too many',
        authcid: Buffer.from('bob'),
        authzid: Buffer.alloc(0),
      },
    });
    expect([seen, named]).toEqual([[], ['bob']]);
  });

  it('gives the provider its time, and no more', async () => {
    const waiting: TokenJudge = {
      guide: {},
      judge: async (_token, signal) => {
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        return { verdict: { ...badToken('too late'), reason: 'providerDown' }, guide: {} };
      },
    };
    const server = make({ tokens: waiting, hosts: [], judgeMs: 5, admit: ANYONE });

    expect(await server.step(Buffer.from(message), new AbortController().signal)).toMatchObject({
      proof: { reason: 'providerDown' },
    });
  });
});

describe('M7 a refused token', () => {
  it('is told of by OAUTHBEARER as in RFC 7628 section 3.2.2', async () => {
    const { told, ...rest } = await refusal(...FROM_ANN.OAUTHBEARER, { verdict: tokenExpired('it expired') });

    expect(JSON.parse(told ?? '')).toEqual({
      status: 'invalid_token',
      scope: 'mail offline',
      'openid-configuration': 'https://id.example.org/conf',
    });
    expect(rest).toEqual({ reason: 'tokenExpired', detail: 'it expired', user: 'bob' });
  });

  it('is told of by OAUTHBEARER with the scope that it lacks', async () => {
    const verdict: TokenVerdict = { ...badToken('it lacks the scope mail'), error: 'insufficient_scope' };
    const { told } = await refusal(...FROM_ANN.OAUTHBEARER, { verdict });

    expect(JSON.parse(told ?? '')).toMatchObject({ status: 'insufficient_scope' });
  });

  it('is told of by XOAUTH2 with status 400, at which K-9 gets a new one', async () => {
    const { told } = await refusal(...FROM_ANN.XOAUTH2, { verdict: badToken('it expired') });

    expect(JSON.parse(told ?? '')).toEqual({ status: '400', schemes: 'Bearer', scope: 'mail offline' });
  });
});

describe('a token that is refused', () => {
  it('can be known again, so that the same is no new guess', async () => {
    const result = await step(...FROM_ANN.XOAUTH2, { verdict: badToken('it expired') });

    expect(
      result.kind === 'proof' && result.proof.kind === 'refuted' && result.proof.tried?.octets.toString(),
    ).toBe('t');
  });
});

describe('a message without a token', () => {
  it.each([
    [oauthBearerServer, 'n,a=bob,\x01auth=\x01\x01'],
    [xoauth2Server, 'user=bob\x01auth=Basic x\x01\x01'],
  ])('is refused with what a client needs to get one', async (make, message) => {
    const { told, reason, detail } = await refusal(make, message);

    expect(told).toContain('"scope":"of the first provider"');
    expect([reason, detail]).toEqual(['badToken', 'there is no bearer token in the message']);
  });
});

describe('the host that an OAUTHBEARER client says', () => {
  it('is not looked at where no host is configured', async () => {
    expect(await step(...FROM_ANN.OAUTHBEARER)).toMatchObject({ proof: { kind: 'proved' } });
  });

  it('may be each that is configured, in any case; the port never matters', async () => {
    const hosts = ['imap.example.org', 'mail.example.org'];

    expect(await step(...FROM_ANN.OAUTHBEARER, { hosts })).toMatchObject({ proof: { kind: 'proved' } });
  });

  it('may be left out', async () => {
    const result = await step(oauthBearerServer, 'n,,\x01auth=Bearer t\x01\x01', {
      hosts: ['mail.example.org'],
    });

    expect(result).toMatchObject({ proof: { kind: 'proved' } });
  });

  it('is refused if it is another one: the token was meant for another server', async () => {
    const { told, reason, detail } = await refusal(...FROM_ANN.OAUTHBEARER, { hosts: ['imap.example.org'] });

    expect(told).toContain('"status":"invalid_request"');
    expect([reason, detail]).toEqual(['badToken', 'the client means another host than those of oauth.hosts']);
  });
});
