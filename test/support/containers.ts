import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Readable } from 'node:stream';
import {
  GenericContainer,
  getContainerRuntimeClient,
  ImageName,
  type StartedTestContainer,
  Wait,
} from 'testcontainers';
import { isGone, ownName } from './owner.ts';
import { listening } from './ports.ts';

const IMAGES = new URL('images/', import.meta.url).pathname;
const OWNER_LABEL = 'homing.test.owner';
const STARTED_MS = 30_000;

/** A server to be started. */
export interface ServerPlan {
  /** A folder of `images/`. */
  readonly image: string;
  readonly environment: Readonly<Record<string, string>>;
  /** What is put into /homing/ of the container before it starts, by name. */
  readonly files: Readonly<Record<string, string>>;
  /** What the server logs when it is up. */
  readonly ready: RegExp;
  /** The server listens on all of them. */
  readonly ports: readonly number[];
}

/** Starts a server and waits until it listens. The caller stops it. @throws {Error} with its log if it fails. */
export async function startServer({
  image,
  environment,
  files,
  ready,
  ports,
}: ServerPlan): Promise<StartedTestContainer> {
  const log: string[] = [];
  try {
    const container = await new GenericContainer(await builtImage(image))
      .withNetworkMode('host')
      .withLabels({ [OWNER_LABEL]: ownName() })
      .withEnvironment(environment)
      .withCopyContentToContainer(
        Object.entries(files).map(([name, content]) => ({
          content,
          target: `/homing/${name}`,
          mode: name.endsWith('.sh') ? 0o755 : 0o600,
        })),
      )
      .withLogConsumer((stream: Readable) => stream.on('data', (line) => log.push(String(line))))
      .withWaitStrategy(Wait.forLogMessage(ready).withStartupTimeout(STARTED_MS))
      .start();
    await Promise.all(ports.map(listening));
    return container;
  } catch (cause) {
    throw new Error(`${image} did not start. Its log:\n${log.slice(-30).join('')}`, { cause });
  }
}

/** Removes the containers of runs on this machine that ended without doing so. */
export async function removeStaleContainers(): Promise<void> {
  const { container } = await getContainerRuntimeClient();
  const ours = await container.dockerode.listContainers({ all: true, filters: { label: [OWNER_LABEL] } });
  const stale = ours.filter(({ Labels }) => isGone(Labels[OWNER_LABEL] ?? ''));
  // Two runs may start at once and find the same: the second is told that there is none or that it's being removed.
  await Promise.allSettled(stale.map(({ Id }) => container.getById(Id).remove({ force: true })));
}

const images = new Map<string, Promise<string>>();

/** Master and replica are of one image, which is built once. */
function builtImage(image: string): Promise<string> {
  const built = images.get(image) ?? buildImage(image);
  images.set(image, built);
  return built;
}

// The image has only packages in it, so it changes with its Dockerfile only.
async function buildImage(image: string): Promise<string> {
  const folder = `${IMAGES}${image}`;
  const version = createHash('sha256')
    .update(readFileSync(`${folder}/Dockerfile`))
    .digest('hex')
    .slice(0, 12);
  const name = `localhost/homing-test-${image}:${version}`;
  const client = await getContainerRuntimeClient();
  if (!(await client.image.exists(ImageName.fromString(name)))) {
    process.stderr.write(`building ${name}\n`);
    await GenericContainer.fromDockerfile(folder).build(name, { deleteOnExit: false });
  }
  return name;
}
