// The map of a venue, as a tool of an assistant describes it: its parameter with `x-map` has the floors and
// where on them each place lies (docs/reference/assistant.md).

import type { Session } from "@vivavoce/client";

type Spot = readonly [floor: number, x: number, y: number, width: number, height: number];

export interface Place {
  name: string;
  /** As the assistant says it. */
  title: string;
  x: number;
  y: number;
  width: number;
  height: number;
}

/** One floor, with the place that is marked on it. */
export interface MapView {
  floor: string;
  places: Place[];
  marked: Place;
}

interface Parameter {
  "x-map"?: { floors?: Record<string, string[]>; places?: Record<string, Spot[]> };
  "x-synonyms"?: Record<string, Record<string, string[]>>;
}

/** Return the map that the tool describes with the place of its arguments marked. Undefined: it has none. */
export function mapView(
  session: Session | undefined,
  tool: string,
  args: unknown,
  language: string,
): MapView | undefined {
  const described = session?.tools?.find(({ name }) => name === tool)?.parameters;
  const { properties = {} } = (described ?? {}) as { properties?: Record<string, Parameter> };
  for (const [name, parameter] of Object.entries(properties)) {
    const spots = parameter["x-map"]?.places;
    const wanted = (args as Record<string, unknown> | null)?.[name];
    if (spots && typeof wanted === "string" && Object.hasOwn(spots, wanted))
      return floorWith(parameter, wanted, language);
  }
  return undefined;
}

function floorWith(parameter: Parameter, wanted: string, language: string): MapView | undefined {
  const { floors = {}, places = {} } = parameter["x-map"]!;
  const floor = places[wanted]?.[0]?.[0];
  if (floor === undefined) return undefined;
  const drawn = Object.entries(places).flatMap(([name, spots]) =>
    spots
      .filter(([at]) => at === floor)
      .map(([, x, y, width, height]) => ({
        name,
        title: titleOf(parameter, name, language),
        x,
        y,
        width,
        height,
      })),
  );
  const marked = drawn.find(({ name }) => name === wanted);
  const names = floors[language] ?? Object.values(floors)[0] ?? [];
  return marked && { floor: names[floor] ?? "", places: drawn, marked };
}

/** The first synonym in the language; the name itself is English. */
function titleOf(parameter: Parameter, name: string, language: string): string {
  const own = language === "en" ? undefined : parameter["x-synonyms"]?.[name]?.[language]?.[0];
  const title = own ?? name.replaceAll("_", " ");
  return title.charAt(0).toLocaleUpperCase(language) + title.slice(1);
}
