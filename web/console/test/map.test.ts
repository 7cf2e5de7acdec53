// The map that Charlotte's tool describes.

import { expect, test } from "vitest";
import described from "../../../src/vivavoce/examples/charlotte/tools/show_map.json?raw";
import { mapView } from "../src/map";

const parameters = JSON.parse(described);
const session = { tools: [{ name: "show_map", parameters }] };
const places: string[] = parameters.properties.place.enum;

test.each(places)("N1_ the map marks %s, on a floor with a name in every language", (place) => {
  for (const language of ["en", "it", "es"]) {
    const view = mapView(session, "show_map", { place }, language)!;
    expect(view.marked.name).toBe(place);
    expect(view.floor).not.toBe("");
    expect(view.places).toContain(view.marked);
  }
});

test("N1_ two places of one floor overlap only where one is inside of the other", () => {
  const spots = Object.values(parameters.properties.place["x-map"].places) as number[][][];
  const all = spots.flat() as [number, number, number, number, number][];
  const apart = ([f, x, y, w, h]: number[], [g, u, v, a, b]: number[]) =>
    f !== g || x! + w! <= u! || u! + a! <= x! || y! + h! <= v! || v! + b! <= y!;
  const inside = ([, x, y, w, h]: number[], [, u, v, a, b]: number[]) =>
    x! >= u! && y! >= v! && x! + w! <= u! + a! && y! + h! <= v! + b!;
  for (const one of all)
    for (const other of all)
      expect(one === other || apart(one, other) || inside(one, other) || inside(other, one)).toBe(
        true,
      );
});

test("N1_ the place has the words of the language", () => {
  const title = (language: string) =>
    mapView(session, "show_map", { place: "cloakroom" }, language)!.marked.title;
  expect([title("en"), title("it"), title("es")]).toEqual([
    "Cloakroom",
    "Guardaroba",
    "Guardarropa",
  ]);
});

test.each([
  [session, { place: "moon" }],
  [session, { place: 3 }],
  [session, {}],
  [session, null],
  [session, { place: "constructor" }],
  [{ tools: [{ name: "show_map", parameters: { properties: { place: {} } } }] }, { place: "lift" }],
  [{ tools: [{ name: "show_map", parameters: null }] }, { place: "lift" }],
  [{}, { place: "lift" }],
  [undefined, { place: "lift" }],
])("N1_ no map is shown for session %#", (current, args) => {
  expect(mapView(current, "show_map", args, "en")).toBeUndefined();
});
