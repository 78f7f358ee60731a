/** Starts the servers for all tests of a run, once, and stops them behind it. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'ldapts';
import type { StartedTestContainer } from 'testcontainers';
import type { TestProject } from 'vitest/node';
import { deriveStoredKey } from '../../auth/mechanisms/scram-keys.ts';
import { Secret } from '../../auth/secret.ts';
import { accounts, accountsLdif, PEOPLE, SUFFIX } from './accounts.ts';
import type { CertificateFiles, Cluster, DovecotPorts, LdapPorts, NodeName, NodePorts } from './cluster.ts';
import { removeStaleContainers, type ServerPlan, startServer } from './containers.ts';
import { ensureEngine } from './engine.ts';
import { isGone, ownName } from './owner.ts';
import { freePorts } from './ports.ts';
import { type KeyPair, TestCa } from './test-ca.ts';

const ADMIN_PASSWORD = 'admin-secret';
const HOMING_PASSWORD = 'homing-secret';
const REPLICA_PASSWORD = 'replica-secret';
// The rest of 127.0.0.0/8 is for tests that show how a node treats a stranger.
const PROXY_NETS = '127.0.0.0/9';
const STRANGER = '127.200.0.1';

const DIRECTORY_PREFIX = 'homing-test_';

const running: StartedTestContainer[] = [];
let directory = '';

export async function setup(project: TestProject): Promise<void> {
  const dockerHost = await ensureEngine();
  await removeStaleContainers();
  removeStaleDirectories();
  directory = join(tmpdir(), `${DIRECTORY_PREFIX}${ownName()}`);
  mkdirSync(directory, { mode: 0o700 });
  const ca = new TestCa('Homing test CA');
  const foreignCa = new TestCa('Another CA');
  const { nodes, ldap, downPort } = await choosePorts();
  const keys = { proxy1: newKey(), proxy2: newKey() };
  const plans = await planServers({ ca, nodes, ldap, keys });
  const containers = await startAll(plans);
  await replicated(ldap.replica);
  project.provide('cluster', {
    dockerHost,
    containers,
    nodes,
    ldap,
    downPort,
    strangerAddress: STRANGER,
    ca: ca.certificate,
    caFile: file('ca.pem', ca.certificate),
    listener: certificateFiles(
      'listener',
      ca.issue({ commonName: 'mail.example.org', hostNames: ['mail.example.org'] }),
    ),
    expired: certificateFiles('expired', ca.issue({ commonName: 'localhost', expired: true })),
    foreign: certificateFiles('foreign', foreignCa.issue({ commonName: 'localhost' })),
    foreignCaFile: file('foreign-ca.pem', foreignCa.certificate),
    proxies: {
      proxy1: { key: keys.proxy1, keyFile: file('proxy1.key', `${keys.proxy1}\n`) },
      proxy2: { key: keys.proxy2, keyFile: file('proxy2.key', `${keys.proxy2}\n`) },
    },
    service: {
      dn: `cn=homing,ou=services,${SUFFIX}`,
      password: HOMING_PASSWORD,
      passwordFile: file('ldap-password', `${HOMING_PASSWORD}\n`),
    },
    admin: { dn: `cn=admin,${SUFFIX}`, password: ADMIN_PASSWORD },
  });
}

export async function teardown(): Promise<void> {
  await Promise.all(running.map((container) => container.stop({ timeout: 1000 })));
  if (directory !== '') {
    rmSync(directory, { recursive: true, force: true });
  }
}

function removeStaleDirectories(): void {
  for (const name of readdirSync(tmpdir())) {
    if (name.startsWith(DIRECTORY_PREFIX) && isGone(name.slice(DIRECTORY_PREFIX.length))) {
      rmSync(join(tmpdir(), name), { recursive: true, force: true });
    }
  }
}

interface ClusterTerms {
  readonly ca: TestCa;
  readonly nodes: Cluster['nodes'];
  readonly ldap: Cluster['ldap'];
  readonly keys: Readonly<Record<string, string>>;
}

type Plans = Readonly<Record<keyof Cluster['containers'], ServerPlan>>;

async function planServers({ ca, nodes, ldap, keys }: ClusterTerms): Promise<Plans> {
  const storedKeys = await Promise.all(
    Object.entries(keys).map(async ([name, key]) => `${name}:${await dovecotKey(key)}::::::\n`),
  );
  const dovecot = (
    version: string,
    node: Exclude<NodeName, 'node-c'>,
    MECHANISMS = 'scram-sha-256',
  ): ServerPlan => ({
    image: `dovecot-${version}`,
    environment: {
      ...nodeEnvironment(node, nodes[node]),
      SIEVE_PORT: String(nodes[node].sieve),
      SIEVES_PORT: String(nodes[node].sieves),
      PROXY_NETS,
      AUTH_DEBUG: 'yes',
      MECHANISMS,
    },
    files: {
      ...deployed(`dovecot/${version}`, ['dovecot.conf', 'managesieve.conf']),
      ...imageFiles('dovecot'),
      ...certificateOf(ca, node),
      proxies: storedKeys.join(''),
    },
    ready: /starting up/,
    ports: Object.values(nodes[node]),
  });
  const courier: ServerPlan = {
    image: 'courier',
    environment: {
      ...nodeEnvironment('node-c', nodes['node-c']),
      PROXY_ADDRESS: '127',
      DENIED_ADDRESS: STRANGER,
    },
    files: {
      ...deployed('courier', ['authProg', 'authdaemonrc', 'homing.conf', 'homing-access', 'imapd', 'pop3d']),
      ...imageFiles('courier'),
      ...certificateOf(ca, 'node-c'),
      proxies: Object.entries(keys)
        .map(([name, key]) => `${name}:${key}\n`)
        .join(''),
    },
    ready: /^node-c ready/m,
    ports: Object.values(nodes['node-c']),
  };
  const slapd = (name: string, ports: LdapPorts, master: string): ServerPlan => ({
    image: 'openldap',
    environment: {
      LDAP_PORT: String(ports.ldap),
      LDAPS_PORT: String(ports.ldaps),
      MASTER: master,
      ADMIN_PASSWORD,
      HOMING_PASSWORD,
      REPLICA_PASSWORD,
    },
    files: {
      ...deployed('openldap', [
        'qmail.schema',
        'homing.schema',
        'slapd.conf',
        'replica.conf',
        'structure.ldif',
      ]),
      ...imageFiles('openldap'),
      ...certificateOf(ca, name),
      'ca.pem': ca.certificate,
      'accounts.ldif': `\n${accountsLdif()}\n`,
    },
    ready: /slapd starting/,
    ports: Object.values(ports),
  });
  return {
    'node-a': dovecot('2.3', 'node-a'),
    'node-b': dovecot('2.4', 'node-b'),
    'node-c': courier,
    'node-d': dovecot('2.4', 'node-d'),
    'node-p': dovecot('2.3', 'node-p', 'scram-sha-256 plain'),
    'ldap-master': slapd('ldap-master', ldap.master, ''),
    'ldap-replica': slapd('ldap-replica', ldap.replica, `ldaps://127.0.0.1:${ldap.master.ldaps}`),
    clients: {
      image: 'clients',
      environment: {},
      files: { 'ca.pem': ca.certificate },
      ready: /^clients ready/m,
      ports: [],
    },
  };
}

async function startAll(plans: Plans): Promise<Cluster['containers']> {
  const starts = await Promise.allSettled(
    Object.entries(plans).map(async ([name, plan]) => {
      const container = await startServer(plan);
      running.push(container);
      return [name, container.getId()] as const;
    }),
  );
  const failed = starts.filter((start) => start.status === 'rejected');
  if (failed.length > 0) {
    throw new AggregateError(
      failed.map(({ reason }) => reason),
      failed.map(({ reason }) => String(reason)).join('\n'),
    );
  }
  return Object.fromEntries(
    starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : [])),
  ) as Cluster['containers'];
}

/** Waits until the replica has what the master has. */
async function replicated({ ldap }: LdapPorts): Promise<void> {
  const deadline = Date.now() + 15_000;
  const client = new Client({ url: `ldap://127.0.0.1:${ldap}`, timeout: 5000 });
  for (;;) {
    try {
      // The last entry that was loaded.
      await client.bind(`uid=${accounts.twin2.name},${PEOPLE}`, accounts.twin2.password);
      await client.unbind();
      return;
    } catch (cause) {
      if (Date.now() > deadline) {
        throw new Error('the LDAP replica did not fill', { cause });
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

async function choosePorts() {
  const ports = await freePorts(33);
  const next = () => ports.pop() ?? 0;
  const node = (): NodePorts => ({ imap: next(), imaps: next(), pop3: next(), pop3s: next() });
  const dovecot = (): DovecotPorts => ({ ...node(), sieve: next(), sieves: next() });
  const server = (): LdapPorts => ({ ldap: next(), ldaps: next() });
  return {
    nodes: {
      'node-a': dovecot(),
      'node-b': dovecot(),
      'node-c': node(),
      'node-d': dovecot(),
      'node-p': dovecot(),
    },
    ldap: { master: server(), replica: server() },
    downPort: next(),
  };
}

function nodeEnvironment(node: NodeName, { imap, imaps, pop3, pop3s }: NodePorts): Record<string, string> {
  return {
    NODE: node,
    USERS: Object.keys(accounts).join(' '),
    IMAP_PORT: String(imap),
    IMAPS_PORT: String(imaps),
    POP3_PORT: String(pop3),
    POP3S_PORT: String(pop3s),
  };
}

function newKey(): string {
  return randomBytes(32).toString('base64url');
}

/** What Dovecot stores of a proxy's key. */
async function dovecotKey(key: string): Promise<string> {
  const { iterations, salt, storedKey, serverKey } = await deriveStoredKey(
    new Secret(Buffer.from(key)),
    randomBytes(16),
    4096,
  );
  return `{SCRAM-SHA-256}${iterations},${[salt, storedKey, serverKey].map((octets) => octets.toString('base64')).join(',')}`;
}

function deployed(folder: string, names: readonly string[]): Record<string, string> {
  const root = new URL(`../../deploy/${folder}/`, import.meta.url);
  return Object.fromEntries(names.map((name) => [name, readFileSync(new URL(name, root), 'utf8')]));
}

function imageFiles(image: 'openldap' | 'dovecot' | 'courier'): Record<string, string> {
  const root = new URL('images/', import.meta.url);
  return {
    'run.sh': readFileSync(new URL(`${image}.sh`, root), 'utf8'),
    'mailboxes.sh': readFileSync(new URL('mailboxes.sh', root), 'utf8'),
  };
}

function certificateOf(ca: TestCa, name: string): Record<string, string> {
  const { certificate, key } = ca.issue({ commonName: name, hostNames: [`${name}.example.org`] });
  return { 'cert.pem': certificate, 'key.pem': key };
}

function certificateFiles(name: string, { certificate, key }: KeyPair): CertificateFiles {
  return { certificate: file(`${name}.pem`, certificate), key: file(`${name}.key`, key) };
}

function file(name: string, content: string): string {
  const path = join(directory, name);
  writeFileSync(path, content, { mode: 0o600 });
  return path;
}
