// A setting with a few values: cards, a row of segments, or a list.

import { useId } from "react";

interface Option<T> {
  value: T;
  name: string;
}

interface ChoiceProps<T> {
  legend: string;
  variant?: "cards" | "list" | "segments";
  options: Option<T>[];
  chosen: T;
  onChoose: (value: T) => void;
}

/** Show the values, and which one is chosen. */
export function Choice<T extends string>({
  legend,
  variant,
  options,
  chosen,
  onChoose,
}: ChoiceProps<T>) {
  const group = useId();
  if (variant === "list")
    return (
      <label className="choice list">
        <span>{legend}</span>
        <select value={chosen} onChange={(event) => onChoose(event.target.value as T)}>
          {options.map(({ value, name }) => (
            <option key={value} value={value}>
              {name}
            </option>
          ))}
        </select>
      </label>
    );
  return (
    <fieldset className={`choice ${variant ?? ""}`}>
      <legend>{legend}</legend>
      {options.map(({ value, name }) => (
        <label key={value}>
          <input
            type="radio"
            name={group}
            checked={value === chosen}
            onChange={() => onChoose(value)}
          />
          <span>{name}</span>
        </label>
      ))}
    </fieldset>
  );
}
