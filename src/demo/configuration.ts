import { stringify } from 'yaml';
import type { DemoNode } from './node/node.ts';

/** Ports of 127.0.0.1 on which the demonstration listens; 0 lets the system choose. */
export interface DemoPorts {
  readonly imap: number;
  readonly imaps: number;
  readonly pop3: number;
  readonly pop3s: number;
}

/** The proxy's name towards the nodes of the demonstration. */
export const PROXY_NAME = 'demo-proxy';

/** Names of the files beside the configuration. */
export const FILES = {
  certificate: 'certificate.pem',
  certificateKey: 'certificate.key',
  proxyKey: 'demo-proxy.key',
  directory: 'demo.ldif',
  configuration: 'demo.yaml',
  /** Takes the place of the former one when the proxy runs, which may belong to a demonstration that runs too. */
  newConfiguration: 'demo.yaml.new',
} as const;

const ADDRESS = '127.0.0.1';

/** Writes the configuration of the demonstration, such as an operator would. */
export function configurationYaml(ports: DemoPorts, nodes: readonly DemoNode[]): string {
  const listener = (protocol: string, port: number, tls: string) => ({
    protocol,
    address: ADDRESS,
    port,
    tls,
    greeting: 'Homing demonstration ready.',
  });
  const configuration = {
    name: PROXY_NAME,
    keyFile: FILES.proxyKey,
    tls: { certificateFile: FILES.certificate, keyFile: FILES.certificateKey },
    listeners: [
      listener('imap', ports.imap, 'starttls'),
      listener('imap', ports.imaps, 'implicit'),
      listener('pop3', ports.pop3, 'starttls'),
      listener('pop3', ports.pop3s, 'implicit'),
    ],
    directories: [{ kind: 'ldif', file: FILES.directory, preset: 'qmail', nameAttribute: 'mail' }],
    nodes: nodes.map(({ name, imapPort, pop3Port }) => ({
      name,
      host: ADDRESS,
      kind: 'dovecot',
      ports: { imap: imapPort, pop3: pop3Port },
      tls: 'none',
      trust: 'scram-sha-256',
    })),
  };
  return HEAD + stringify(configuration);
}

const HEAD = `# Configuration of the demonstration, written anew by each \`npm start\`.
# The nodes and their ports are there as long as it runs.
`;
