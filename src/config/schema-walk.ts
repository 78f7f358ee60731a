import { z } from 'zod';
import { type Path, valueAt } from './source.ts';

/** The names of the settings that a schema knows at a path; empty where it knows no names. */
export function knownNames(schema: unknown, path: Path, data: unknown): readonly string[] {
  const value = valueAt(data, path);
  const found = unwrapped(schemaAt(schema, path, data), value);
  if (found instanceof z.ZodObject) return Object.keys(found.shape);
  return found instanceof z.ZodRecord && found.keyType instanceof z.ZodEnum
    ? found.keyType.options.map(String)
    : [];
}

/** What the setting at a path is for; `undefined` where the schema has no words for it. */
export function descriptionAt(schema: unknown, path: Path, data: unknown): string | undefined {
  const found = schemaAt(schema, path, data);
  return found instanceof z.ZodType ? found.description : undefined;
}

/** The part of a schema that judges the setting at a path; `data` decides between the members of a union. */
function schemaAt(schema: unknown, path: Path, data: unknown): unknown {
  const [part, ...rest] = path;
  const inner = unwrapped(schema, data);
  if (part === undefined) return schema;
  return schemaAt(child(inner, part), rest, valueAt(data, [part]));
}

function unwrapped(schema: unknown, data: unknown): unknown {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) {
    return unwrapped(schema.unwrap(), data);
  }
  if (schema instanceof z.ZodPipe) return unwrapped(schema.out, data);
  if (schema instanceof z.ZodDiscriminatedUnion) return memberFor(schema, data);
  return schema;
}

function memberFor(union: z.ZodDiscriminatedUnion, data: unknown): unknown {
  const { discriminator } = union.def;
  const kind = valueAt(data, [discriminator]);
  return union.options.find((option) => {
    if (!(option instanceof z.ZodObject)) return false;
    const literal: unknown = option.shape[discriminator];
    return literal instanceof z.ZodLiteral && literal.value === kind;
  });
}

function child(schema: unknown, part: PropertyKey): unknown {
  if (schema instanceof z.ZodObject) return schema.shape[String(part)];
  if (schema instanceof z.ZodArray) return schema.element;
  return schema instanceof z.ZodRecord ? schema.valueType : undefined;
}
