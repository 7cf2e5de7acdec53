// The map that the assistant shows: one floor, with one place marked.

import type { MapView } from "./map";
import type { Strings } from "./strings";

const LETTERS = 2.6; // height of the letters, in units of the map
const LINE = 3.2; // height of a line of text
const LETTER = 0.66; // about the width of a letter, as a part of its height

/** Draw the floor. A screen reader hears which place is marked, and on which floor. */
export function VenueMap(props: { view: MapView; strings: Strings; onClose: () => void }) {
  const { view, strings, onClose } = props;
  const { floor, places, marked } = view;
  return (
    <figure className="venue-map">
      <figcaption>
        <b>{marked.title}</b> {floor}
        <button type="button" className="secondary" onClick={onClose}>
          {strings.closeMap}
        </button>
      </figcaption>
      <svg viewBox={bounds(places)} role="img" aria-label={`${marked.title}, ${floor}`}>
        {places.map((place) => (
          <g key={`${place.name} ${place.x}`} data-marked={place === marked || undefined}>
            <rect x={place.x} y={place.y} width={place.width} height={place.height} rx="1" />
            {linesOf(place.title, place.width).map((line, i, { length }) => (
              <text
                key={i}
                fontSize={Math.min(LETTERS, (place.width - 1) / (line.length * LETTER))}
                x={place.x + place.width / 2}
                y={titleTop(place, places) + (i - (length - 1) / 2) * LINE}
              >
                {line}
              </text>
            ))}
          </g>
        ))}
      </svg>
    </figure>
  );
}

type Place = MapView["marked"];

/** The part of the floor that has places, with room for the lines. */
function bounds(places: readonly Place[]): string {
  const left = Math.min(...places.map(({ x }) => x)) - 1;
  const top = Math.min(...places.map(({ y }) => y)) - 1;
  const right = Math.max(...places.map(({ x, width }) => x + width)) + 1;
  const bottom = Math.max(...places.map(({ y, height }) => y + height)) + 1;
  return `${left} ${top} ${right - left} ${bottom - top}`;
}

const contains = (outer: Place, inner: Place): boolean =>
  outer !== inner &&
  inner.x >= outer.x &&
  inner.y >= outer.y &&
  inner.x + inner.width <= outer.x + outer.width &&
  inner.y + inner.height <= outer.y + outer.height;

/** The middle of the title. A place with others inside has its title between them. */
function titleTop(place: Place, places: readonly Place[]): number {
  const inside = places.filter((other) => contains(place, other));
  if (!inside.length) return place.y + place.height / 2;
  const above = inside.filter((other) => other.y < place.y + place.height / 2);
  const below = inside.filter((other) => !above.includes(other));
  const top = Math.max(place.y, ...above.map((other) => other.y + other.height));
  const bottom = Math.min(place.y + place.height, ...below.map((other) => other.y));
  return (top + bottom) / 2;
}

/** Break a title into lines that fit. */
function linesOf(title: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of title.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && (last.length + 1 + word.length) * LETTERS * LETTER <= width)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
