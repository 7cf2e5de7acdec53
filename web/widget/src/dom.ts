// Elements of the widget, made without HTML: texts of an assistant are never read as markup.

type Attributes = Record<string, string | boolean | undefined>;

/** Make an element. `text` is its content; an attribute that is `true` has no value. */
export function make<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Attributes = {},
  ...content: (Node | string)[]
): HTMLElementTagNameMap[Name] {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes))
    if (value !== undefined && value !== false)
      element.setAttribute(key, value === true ? "" : value);
  element.append(...content);
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

const SIGNS = {
  microphone:
    "M8 10a2.5 2.5 0 0 0 2.5-2.5v-4a2.5 2.5 0 0 0-5 0v4A2.5 2.5 0 0 0 8 10zM3.5 7.5a4.5 4.5 0 0 0 9 0M8 12v3",
  stop: "M4 4h8v8H4z",
  send: "M2.5 8h10M8.5 3.5 13 8l-4.5 4.5",
  close: "M3.5 3.5l9 9M12.5 3.5l-9 9",
};

/** Draw a sign for a button. */
export function sign(name: keyof typeof SIGNS): SVGSVGElement {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", SIGNS[name]);
  svg.append(path);
  return svg;
}

/** Draw a loudspeaker's grille. Its holes grow with the custom property `--level`. */
export function grille(): SVGSVGElement {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "-10 -10 20 20");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("fill", "currentColor");
  for (let ring = 0; ring < 4; ring++)
    for (let i = 0; i < (ring * 6 || 1); i++) {
      const angle = ((i + (ring % 2) / 2) / (ring * 6 || 1)) * 2 * Math.PI;
      const hole = document.createElementNS(SVG, "circle");
      hole.setAttribute("cx", (Math.cos(angle) * ring * 2.9).toFixed(2));
      hole.setAttribute("cy", (Math.sin(angle) * ring * 2.9).toFixed(2));
      hole.setAttribute("r", "1.2");
      svg.append(hole);
    }
  return svg;
}
