// The keys of a server besides its address, from the one declaration of its attributes.

import { formatDuration } from '../../base/units.ts';
import { type AttributeField, SERVER_ATTRIBUTES } from '../../model.ts';
import { duration, integer, onOff } from './values.ts';

type Declared = typeof SERVER_ATTRIBUTES;
type KeyOf<Unit> = Unit extends 'flag'
  ? ReturnType<typeof onOff>
  : Unit extends 'seconds'
    ? ReturnType<typeof duration>
    : ReturnType<typeof integer>;
type Keys = {
  [Field in AttributeField as Declared[Field]['name']]: KeyOf<Declared[Field]['unit']>;
};

// Object.fromEntries does not know the names, which are those of the declaration.
export const serverAttributeKeys = Object.fromEntries(
  Object.values(SERVER_ATTRIBUTES).map((attribute) => [attribute.name, keyOf(attribute)]),
) as Keys;

function keyOf(attribute: Declared[AttributeField]) {
  const { about } = attribute;
  if (attribute.unit === 'flag') return onOff({ about, initial: 'off' });
  const { least, file } = attribute;
  if (attribute.unit === 'count') return integer({ about, least, ...file });
  return duration({ about, initial: formatDuration(file.initial * 1000), least: `${least}` });
}
